package events

import (
	"fmt"
	"slices"
)

// Mode is one of the two places where an outlet keeps its backups.
type Mode string

// The modes.
const (
	DDrive    Mode = "d_drive"    // the backup folder on drive D
	IBStorage Mode = "ib_storage" // the backup folder on a USB drive of unknown letter
)

// Modes lists every mode, in the order used everywhere.
func Modes() []Mode { return []Mode{DDrive, IBStorage} }

// ParseMode accepts the name of one mode.
func ParseMode(s string) (Mode, error) {
	if m := Mode(s); slices.Contains(Modes(), m) {
		return m, nil
	}
	return "", fmt.Errorf("%q is not a mode: use d_drive or ib_storage", s)
}

// Status is the original system's word for the outcome of a day: Successful or Failed.
type Status string

// The statuses.
const (
	Successful Status = "Successful"
	Failed     Status = "Failed"
)

// Cause says why a look has its status. Conclusive tells the causes that say
// something about the backup from those that say nobody could look.
type Cause string

// Conclusive causes: the look answered the question.
const (
	CauseOK            Cause = "ok"
	CauseStale         Cause = "stale"
	CauseNoBackup      Cause = "no_backup"
	CauseTooSmall      Cause = "too_small"
	CauseFolderMissing Cause = "folder_missing"
	CauseShareMissing  Cause = "share_missing"
	CauseDriveMissing  Cause = "drive_missing"
)

// Inconclusive causes: nobody could look.
const (
	CauseUnreachable   Cause = "unreachable"
	CauseTimeout       Cause = "timeout"
	CauseAuthFailed    Cause = "auth_failed"
	CauseAccessDenied  Cause = "access_denied"
	CauseProtocolError Cause = "protocol_error"
	CausePaused        Cause = "paused"
	CauseExpired       Cause = "expired"
)

// Causes lists every cause, the conclusive ones first.
func Causes() []Cause {
	return []Cause{
		CauseOK, CauseStale, CauseNoBackup, CauseTooSmall, CauseFolderMissing, CauseShareMissing, CauseDriveMissing,
		CauseUnreachable, CauseTimeout, CauseAuthFailed, CauseAccessDenied, CauseProtocolError, CausePaused, CauseExpired,
	}
}

// Conclusive tells whether the cause says something about the backup. An
// unknown cause is inconclusive: what is not understood is never an answer.
func (c Cause) Conclusive() bool {
	switch c {
	case CauseOK, CauseStale, CauseNoBackup, CauseTooSmall, CauseFolderMissing, CauseShareMissing, CauseDriveMissing:
		return true
	}
	return false
}

// Evidence weighs what was said about an outlet, mode and scan date. The day's
// row is the maximum by (evidence, sequence), so that a late or a failed look
// never rewrites a good day.
type Evidence int

// The weights.
const (
	EvidenceNone     Evidence = 0 // an inconclusive look: nobody could look
	EvidenceBackNone Evidence = 1 // a back-dated look that found no good backup: files may have been deleted since
	EvidenceImported Evidence = 2 // a row from before the log began
	EvidenceFull     Evidence = 3 // a conclusive look on the day itself, or a back-dated look that found the backup
)
