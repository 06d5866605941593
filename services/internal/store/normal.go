package store

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"backupmonitor/events"
)

// Widths of the original system's columns, in UTF-16 code units: what the n of
// NVARCHAR(n) counts. Every back end cuts to them, so that a row reads the
// same whatever it was stored in.
const (
	widthFile       = 255
	widthShort      = 50 // BackupFileSize, Duration
	widthError      = 500
	widthDrive      = 10
	widthServer     = 255
	widthOutletName = 255
	widthOurs       = 255 // ScanID, OutletGroup
	widthWord       = 50  // Cause, Source

	widthUserID   = 20
	widthUserName = 100
	widthUserText = 255 // Password, Avatar
)

const legacyNone = "N/A"

// Fit cuts text to at most n UTF-16 code units, between characters, and makes
// it valid UTF-8.
func Fit(text string, n int) string {
	text = strings.ToValidUTF8(text, string(utf8.RuneError))
	units := 0
	for i, r := range text {
		units++
		if r > 0xFFFF {
			units++ // a surrogate pair
		}
		if units > n {
			return text[:i]
		}
	}
	return text
}

// Normal is the look as every back end stores it: the code trimmed, texts cut
// to the width of their columns, times in UTC, LastBackupTaken with whole and
// the others with millionth seconds.
func (l Look) Normal() Look {
	l.Outlet = strings.TrimSpace(l.Outlet)
	l.Stored = l.Stored.UTC().Truncate(time.Microsecond)
	l.LastBackupTaken = utc(l.LastBackupTaken, time.Second)
	l.ObservedAt = utc(l.ObservedAt, time.Microsecond)
	l.BackupFile = Fit(l.BackupFile, widthFile)
	l.BackupFileSize = Fit(l.BackupFileSize, widthShort)
	l.Duration = Fit(l.Duration, widthShort)
	l.ErrorDetails = Fit(l.ErrorDetails, widthError)
	l.DriveLetter = Fit(l.DriveLetter, widthDrive)
	if l.Mode != events.IBStorage {
		l.DriveLetter = ""
	}
	l.Server = Fit(l.Server, widthServer)
	l.Cause, l.ScanID = events.Cause(Fit(string(l.Cause), widthWord)), Fit(l.ScanID, widthOurs)
	return l
}

// Beats tells whether l rather than the row standing with that evidence and
// sequence is the day's row.
func (l Look) Beats(evidence events.Evidence, seq uint64) bool {
	if l.Evidence != evidence {
		return l.Evidence > evidence
	}
	return l.Seq > seq
}

// Normal is the outlet as every back end stores it.
func (o Outlet) Normal() Outlet {
	o.Code = strings.TrimSpace(o.Code)
	o.Address = Fit(o.Address, widthServer)
	o.Name = Fit(o.Name, widthOutletName)
	o.Group, o.Source = Fit(o.Group, widthOurs), Fit(o.Source, widthWord)
	o.PausedUntil = utc(o.PausedUntil, time.Microsecond)
	return o
}

// Check tells whether the user fits its table.
func (u User) Check() error {
	fits := func(text string, n int) bool { return Fit(text, n) == text }
	switch {
	case !utf8.ValidString(u.ID + u.Name + u.Designation + u.PasswordHash + u.Avatar):
		return errors.New("a text of the user is not valid UTF-8")
	case strings.TrimSpace(u.ID) == "":
		return errors.New("a user needs an id")
	case !fits(u.ID, widthUserID):
		return fmt.Errorf("the user id has more than %d characters", widthUserID)
	case !fits(u.Name, widthUserName), !fits(u.Designation, widthUserName):
		return fmt.Errorf("the user's name or designation has more than %d characters", widthUserName)
	case !fits(u.PasswordHash, widthUserText), !fits(u.Avatar, widthUserText):
		return fmt.Errorf("the user's password hash or avatar has more than %d characters", widthUserText)
	case u.Type != "A" && u.Type != "S":
		return fmt.Errorf("the user type is %q: A is Admin and S is Support", u.Type)
	}
	return nil
}

// Check tells whether the batch may replace its checkpoint: it names its log,
// stays in it or goes on with what was restored from it, and never goes back.
func (b Batch) Check() error {
	switch {
	case b.New.Stream == "":
		return errors.New("the new checkpoint names no stream")
	case b.Old.Stream != "" && b.Old.Stream != b.New.Stream && !b.Succeeds:
		return fmt.Errorf("the new checkpoint is of stream %s and the old of %s", b.New.Stream, b.Old.Stream)
	case b.New.Seq < b.Old.Seq:
		return fmt.Errorf("the new checkpoint %d is before the old %d", b.New.Seq, b.Old.Seq)
	}
	return nil
}

// ReadStatus understands the words that older versions wrote: whatever is not
// Successful, as Error, is Failed.
func ReadStatus(s string) events.Status {
	if strings.EqualFold(strings.TrimSpace(s), string(events.Successful)) {
		return events.Successful
	}
	return events.Failed
}

// ReadText understands how older versions wrote that there is none: N/A.
func ReadText(s string) string {
	if strings.EqualFold(strings.TrimSpace(s), legacyNone) {
		return ""
	}
	return s
}

// Unjudged completes a row that no look of ours stands behind: it weighs as an
// imported one, its cause is not known, and it is conclusive only where it
// saw a backup, because older versions wrote the same word for a backup that
// is missing and for an outlet that nobody could look at.
func (l *Look) Unjudged() {
	l.Evidence = events.EvidenceImported
	l.Cause = ""
	l.Conclusive = l.Status == events.Successful
}

func utc(t *time.Time, precision time.Duration) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC().Truncate(precision)
	return &u
}
