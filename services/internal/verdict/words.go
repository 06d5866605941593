package verdict

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"backupmonitor/events"
)

// maxDetail is how long a sentence may be, in UTF-16 units: the width of the
// column ErrorDetails, NVARCHAR(500).
const maxDetail = 500

const day = 24 * time.Hour

// lowSurrogates is the first of the units that end a pair.
const lowSurrogates = 0xDC00

func couldNotLook(e events.LookError) string {
	if e.Detail == "" {
		return "could not look: " + strings.ReplaceAll(string(sessionCause(e.Code)), "_", " ")
	}
	return "could not look: " + e.Detail
}

func noUSBDrive(drives []events.Drive) string {
	names := make([]string, len(drives))
	for i, d := range drives {
		names[i] = place(d)
	}
	return fmt.Sprintf("signed in, but no USB drive is there (looked for %s)", strings.Join(names, ", "))
}

func (j judge) driveError(d events.Drive, cause events.Cause) string {
	switch cause {
	case events.CauseFolderMissing:
		return fmt.Sprintf("signed in, but %s has no %s folder", place(d), d.Folder)
	case events.CauseShareMissing:
		return "signed in, but there is no share " + d.Share
	case events.CauseDriveMissing:
		return fmt.Sprintf("signed in, but there is no medium in %s", place(d))
	}
	return couldNotLook(*d.Error)
}

func (j judge) stale(f events.File, small *events.File) string {
	verb, when := "is", ""
	if !j.look.Today {
		verb, when = "was", fmt.Sprintf(" at the end of %s", j.look.ScanDate)
	}
	s := fmt.Sprintf("the newest backup %s %s %s old%s (limit %s)", f.Name, verb, span(j.age(f)), when, span(j.policy.MaxAge()))
	if small != nil && newer(*small, f) < 0 {
		s += fmt.Sprintf("; the newer file %s has only %s", small.Name, Size(small.Bytes))
	}
	return s
}

func (j judge) tooSmall(d events.Drive, f events.File) string {
	return fmt.Sprintf("no backup in %s has the minimum of %s; the newest file %s has only %s",
		folder(d), Size(j.policy.MinSizeBytes), f.Name, Size(f.Bytes))
}

func (j judge) noBackup(d events.Drive, after *events.File) string {
	switch {
	case after == nil && j.look.Today:
		return fmt.Sprintf("%s has no backup", folder(d))
	case after == nil:
		return fmt.Sprintf("%s has no backup from %s or before", folder(d), j.look.ScanDate)
	case j.look.Today:
		return fmt.Sprintf("%s has no backup but %s of %s, which lies in the future by the server's clock",
			folder(d), after.Name, instant(after.Modified))
	default:
		return fmt.Sprintf("%s has no backup from %s or before; the newest after it is %s of %s",
			folder(d), j.look.ScanDate, after.Name, instant(after.Modified))
	}
}

// place names a drive as people say it: D:, or the share where it is none.
func place(d events.Drive) string {
	if d.Letter != "" {
		return d.Letter + ":"
	}
	return "share " + d.Share
}

func folder(d events.Drive) string {
	root := d.Share
	if d.Letter != "" {
		root = d.Letter + ":"
	}
	return root + `\` + strings.Trim(d.Folder, `\/`)
}

func instant(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// span writes a duration in its two largest units: 3 days 4 h, 26 h, 45 min.
// Up to two days it counts hours, as the limits do.
func span(d time.Duration) string {
	d = d.Truncate(time.Second)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int64(d/time.Second))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int64(d/time.Minute))
	case d < 2*day:
		return two(d, time.Hour, "h", time.Minute, "min")
	}
	return two(d, day, "days", time.Hour, "h")
}

func two(d, unit time.Duration, name string, sub time.Duration, subName string) string {
	s := fmt.Sprintf("%d %s", int64(d/unit), name)
	if rest := int64(d % unit / sub); rest > 0 {
		s += fmt.Sprintf(" %d %s", rest, subName)
	}
	return s
}

// Size writes bytes as BackupFileSize has them: 2.45 GB, in units of 1024, as
// Windows does; below 1 KB whole bytes.
func Size(bytes int64) string {
	if bytes < 1024 {
		return fmt.Sprintf("%d B", bytes)
	}
	v, units := float64(bytes)/1024, []string{"KB", "MB", "GB", "TB", "PB", "EB"}
	for v >= 1024 && len(units) > 1 {
		v, units = v/1024, units[1:]
	}
	return fmt.Sprintf("%.2f %s", v, units[0])
}

// Printable replaces what cannot be printed: file names are chosen by strangers.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return utf8.RuneError
	}, s)
}

// clip makes a sentence fit maxDetail without cutting a character in two, and
// Printable.
func clip(s string) string {
	s = Printable(s)
	units := utf16.Encode([]rune(s))
	if len(units) <= maxDetail {
		return s
	}
	units = units[:maxDetail-1]
	if last := len(units) - 1; utf16.IsSurrogate(rune(units[last])) && units[last] < lowSurrogates {
		units = units[:last]
	}
	return string(utf16.Decode(units)) + "…"
}
