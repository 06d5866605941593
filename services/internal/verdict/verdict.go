// Package verdict judges what a look saw. It is pure: no clock, no network, no
// disk; the same event judged again gives the same verdict.
package verdict

import (
	"slices"
	"time"

	"backupmonitor/events"
)

// Judge says what the facts of a look mean under a policy. It reads the facts
// alone (Mode, ScanDate, Today, Cutoff, Drives, Error), never the verdict that
// the event may already carry, and in the order of Drives nothing but the tie
// rule: of equally new good backups that of the first drive is chosen.
func Judge(look events.BackupObserved, policy events.Policy) events.Verdict {
	f := decide(look, policy)
	v := events.Verdict{
		Status:      events.Failed,
		Cause:       f.cause,
		Conclusive:  f.cause.Conclusive(),
		Evidence:    Evidence(f.cause, look.Today),
		DriveLetter: f.letter,
		File:        f.file,
		Detail:      clip(f.detail),
		Policy:      policy,
	}
	if f.cause == events.CauseOK {
		v.Status, v.Detail = events.Successful, ""
	}
	return v
}

// Evidence weighs a look that ended in cause: full for a conclusive one made on
// the day itself and for any that found the backup; little for a back-dated one
// that found none, because the file may have been deleted since; none where
// nobody could look.
func Evidence(cause events.Cause, today bool) events.Evidence {
	switch {
	case !cause.Conclusive():
		return events.EvidenceNone
	case today || cause == events.CauseOK:
		return events.EvidenceFull
	default:
		return events.EvidenceBackNone
	}
}

// Letter is the drive letter, upper case, that an administrative share such as
// d$ stands for; "" for any other share.
func Letter(share string) string {
	if len(share) != 2 || share[1] != '$' {
		return ""
	}
	switch c := share[0]; {
	case c >= 'a' && c <= 'z':
		return string(c - 'a' + 'A')
	case c >= 'A' && c <= 'Z':
		return string(c)
	}
	return ""
}

// finding is the judgement on one drive, or on the whole look.
type finding struct {
	cause  events.Cause
	letter string
	file   *events.File
	detail string
}

func decide(look events.BackupObserved, policy events.Policy) finding {
	if look.Error != nil {
		return finding{cause: sessionCause(look.Error.Code), detail: couldNotLook(*look.Error)}
	}
	if len(look.Drives) == 0 {
		return finding{cause: events.CauseProtocolError, detail: "could not look: no drive was asked for"}
	}
	j := judge{look: look, policy: policy, patterns: CompilePatterns(policy.Patterns)}
	best := j.drive(look.Drives[0])
	absent := isAbsent(best.cause)
	for _, d := range look.Drives[1:] {
		f := j.drive(d)
		absent = absent && isAbsent(f.cause)
		if beats(f, best) {
			best = f
		}
	}
	if absent && look.Mode == events.IBStorage {
		return finding{cause: events.CauseDriveMissing, detail: noUSBDrive(look.Drives)}
	}
	return best
}

// beats tells whether a rather than b, of an earlier drive, decides the look.
// A good backup beats everything and a newer one an older one; without one, a
// drive that could not be looked at leaves the question open; then what was
// found explains more than what was not.
func beats(a, b finding) bool {
	if ra, rb := rank(a.cause), rank(b.cause); ra != rb {
		return ra > rb
	}
	if a.file == nil || b.file == nil {
		return a.file != nil
	}
	return a.file.Modified.After(b.file.Modified)
}

func rank(c events.Cause) int {
	switch c {
	case events.CauseOK:
		return 6
	case events.CauseStale:
		return 4
	case events.CauseTooSmall:
		return 3
	case events.CauseNoBackup:
		return 2
	case events.CauseFolderMissing:
		return 1
	case events.CauseShareMissing, events.CauseDriveMissing:
		return 0
	}
	return 5
}

// isAbsent tells the causes that say there is no such drive. The share of a
// letter that no drive has does not exist; a reader without medium does, and
// holds no backup either.
func isAbsent(c events.Cause) bool {
	return c == events.CauseShareMissing || c == events.CauseDriveMissing
}

// sessionCause is the cause of a look that reached no drive: such a look can
// not be conclusive, whatever its error claims.
func sessionCause(c events.Cause) events.Cause {
	if c == "" || c.Conclusive() {
		return events.CauseProtocolError
	}
	return c
}

// driveCause is the cause of an error on one drive: of the conclusive causes
// only those that say that something is not there can be an error.
func driveCause(c events.Cause) events.Cause {
	if isAbsent(c) || c == events.CauseFolderMissing {
		return c
	}
	return sessionCause(c)
}

// judge holds what the judgement on each drive needs.
type judge struct {
	look     events.BackupObserved
	policy   events.Policy
	patterns Patterns
}

func (j judge) drive(d events.Drive) finding {
	if d.Error != nil {
		f := finding{cause: driveCause(d.Error.Code), letter: d.Letter}
		f.detail = j.driveError(d, f.cause)
		return f
	}
	limit := Limit(j.look.Cutoff, j.look.Today)
	var good, small, after *events.File
	for _, f := range slices.Concat(d.Files, d.FilesAfter) {
		switch {
		case !j.patterns.Match(f.Name):
		case f.Modified.After(limit):
			after = newest(after, f)
		case f.Bytes >= j.policy.MinSizeBytes:
			good = newest(good, f)
		default:
			small = newest(small, f)
		}
	}
	switch {
	case good != nil && j.fresh(*good):
		return finding{cause: events.CauseOK, letter: d.Letter, file: good}
	case good != nil:
		return finding{cause: events.CauseStale, letter: d.Letter, file: good, detail: j.stale(*good, small)}
	case small != nil:
		return finding{cause: events.CauseTooSmall, letter: d.Letter, file: small, detail: j.tooSmall(d, *small)}
	default:
		return finding{cause: events.CauseNoBackup, letter: d.Letter, file: after, detail: j.noBackup(d, after)}
	}
}

// fresh tells whether a file is not over the policy's age at the cutoff.
func (j judge) fresh(f events.File) bool {
	return j.policy.MaxAgeSeconds <= 0 || j.age(f) <= j.policy.MaxAge()
}

func (j judge) age(f events.File) time.Duration { return j.look.Cutoff.Sub(f.Modified) }

func newest(have *events.File, f events.File) *events.File {
	if have == nil || newer(f, *have) < 0 {
		return &f
	}
	return have
}
