package fleet

import (
	"slices"

	"backupmonitor/events"
)

// Preset names a way an outlet can be.
type Preset string

// The presets. What one says of "the backups" holds for the modes it is made for; the other mode is good.
const (
	Good           Preset = "good"            // a backup every night
	Stale          Preset = "stale"           // none for five days
	EmptyFolder    Preset = "empty_folder"    // the folder holds nothing
	TooSmall       Preset = "too_small"       // every backup is 512 bytes
	FolderMissing  Preset = "folder_missing"  // there is no folder
	DriveMissing   Preset = "drive_missing"   // there is no share: a USB drive that is not plugged in
	NoMedium       Preset = "no_medium"       // the drive is there, and empty
	ShareDenied    Preset = "share_denied"    // the share lets nobody in
	FolderDenied   Preset = "folder_denied"   // the folder lets nobody in
	FutureFile     Preset = "future_file"     // the one backup is dated three days ahead
	OtherFiles     Preset = "other_files"     // newer files that are no backups lie beside the backups
	InUse          Preset = "in_use"          // nobody may open the backups, which are listed all the same
	UnicodeNames   Preset = "unicode_names"   // names in several scripts, beyond the basic plane too
	LetterCase     Preset = "letter_case"     // folder and files are written in the other case
	ManyFiles      Preset = "many_files"      // thousands of files, old and none of them a backup, beside the backups
	SeveralUSB     Preset = "several_usb"     // three USB drives: one old, one with the newest backup, one empty
	Slow           Preset = "slow"            // every answer takes 300 ms
	ClockAhead     Preset = "clock_ahead"     // the outlet lives a year ahead, and dates its backups so
	ClockBehind    Preset = "clock_behind"    // a year behind
	NoSystemTime   Preset = "no_system_time"  // the server tells no time
	WrongPassword  Preset = "wrong_password"  // the account has another password
	LockedOut      Preset = "locked_out"      // the account is locked
	ExpiredAccount Preset = "expired_account" // the account's password has expired
	NotListening   Preset = "unreachable"     // nothing listens
	NeverAnswers   Preset = "silent"          // connections are accepted, and never answered

	Resets         Preset = "resets"            // connections are accepted, and reset when the client speaks
	BreaksOff      Preset = "breaks_off"        // the connection is reset in the middle of a listing
	Drips          Preset = "drips"             // answers come at a byte a second
	CutShort       Preset = "cut_short"         // listings end before they should
	Missigns       Preset = "wrong_signature"   // listings are changed on their way
	TooManyGuests  Preset = "too_many_sessions" // nobody else may sign in
	FolderInUse    Preset = "folder_in_use"     // another program keeps the folder to itself
	FolderChanging Preset = "folder_changing"   // files come, and are renamed, while the folder is read
	LongNames      Preset = "long_names"        // names of 255 characters in many scripts
	WakingDisk     Preset = "waking_disk"       // the disk must spin up first, and the server says so
)

// Presets lists them all: Good, then the others in the order in which a demo takes them up.
func Presets() []Preset {
	return []Preset{
		Good, Stale, DriveMissing, NotListening, EmptyFolder, SeveralUSB, TooSmall, WrongPassword, FolderMissing,
		ClockAhead, FutureFile, FolderDenied, NoMedium, OtherFiles, NeverAnswers, LetterCase, ShareDenied, ManyFiles,
		UnicodeNames, ClockBehind, NoSystemTime, Slow, InUse, LockedOut, ExpiredAccount, Resets, FolderInUse, BreaksOff,
		FolderChanging, LongNames, WakingDisk, TooManyGuests, Drips, CutShort, Missigns,
	}
}

// Expected is what a right look at an outlet must find.
type Expected struct {
	Cause events.Cause
	// Share is where the backup is, or would be; empty where a look gets to no drive.
	Share string
}

// ofWholeOutlet reports whether the preset concerns both modes whatever it is made for.
func (p Preset) ofWholeOutlet() bool {
	return slices.Contains([]Preset{
		Good, Slow, ClockAhead, ClockBehind, NoSystemTime, WrongPassword, LockedOut, ExpiredAccount, NotListening,
		NeverAnswers, Resets, BreaksOff, Drips, CutShort, Missigns, TooManyGuests, WakingDisk,
	}, p)
}

// cause is what a look in one of the preset's modes must find.
func (p Preset) cause(mode events.Mode) events.Cause {
	switch p {
	case Stale:
		return events.CauseStale
	case EmptyFolder, FutureFile:
		return events.CauseNoBackup
	case TooSmall:
		return events.CauseTooSmall
	case FolderMissing:
		return events.CauseFolderMissing
	case DriveMissing:
		if mode == events.DDrive {
			return events.CauseShareMissing
		}
		return events.CauseDriveMissing
	case NoMedium:
		return events.CauseDriveMissing
	case ShareDenied, FolderDenied:
		return events.CauseAccessDenied
	case WrongPassword, LockedOut, ExpiredAccount:
		return events.CauseAuthFailed
	case NotListening:
		return events.CauseUnreachable
	case NeverAnswers, Drips:
		return events.CauseTimeout
	case Resets, BreaksOff, CutShort, Missigns, TooManyGuests, FolderInUse:
		return events.CauseProtocolError
	}
	return events.CauseOK
}
