package fleet

import (
	"maps"
	"slices"
	"strings"
	"time"

	"backupmonitor/services/internal/fleet/fault"
	"backupmonitor/services/internal/fleet/smbserver"
)

// Reach says how far a connection gets.
type Reach int

// The ways an outlet can be reached, or not.
const (
	Reachable   Reach = iota
	Unreachable       // nothing listens: connections are refused
	Silent            // connections are accepted, and never answered
	Resetting         // connections are accepted, and reset when the client speaks
)

// Truth is everything there is to know about one outlet. It is a value: a running outlet's changes only through
// [Outlet.Change].
type Truth struct {
	Reach Reach
	// User and Password are the one account; empty means that of the fleet.
	User, Password string
	// Refusal, if set, answers a sign-in with the right password: locked out, expired.
	Refusal smbserver.Status
	// ClockOffset is how far the outlet's clock is ahead of the right time.
	ClockOffset time.Duration
	// ClockUntold makes the server tell no time at all.
	ClockUntold bool
	// Latency delays each answer.
	Latency time.Duration
	// MaxSessions is how many may be signed in at once; 0 means any number. Whoever comes after them is refused.
	MaxSessions int
	// TakesUnsigned makes the server serve requests without a signature too.
	TakesUnsigned bool
	// Faults are what goes wrong on the wire.
	Faults fault.List
	// Drives by the name of their share, such as "d$". A drive that is not there has no share.
	Drives map[string]Drive
}

// Drive is a disk and the share that shows it.
type Drive struct {
	Free, Total int64 // bytes; told in clusters of 4096, rounded down
	// NoMedium: the share is there, the drive is empty.
	NoMedium bool
	// Refusal, if set, answers whoever connects to the share.
	Refusal smbserver.Status
	// Folders by their path below the share, components joined by a backslash. Those above them need not be named; ""
	// is the root.
	Folders map[string]Folder
}

// Folder holds files.
type Folder struct {
	// Refusal, if set, answers whoever opens the folder.
	Refusal smbserver.Status
	// Source makes the files; nil means none.
	Source Source
}

// File is one file. Its content is made up when read: the first bytes of a backup, then zeros.
type File struct {
	Name              string
	Size              int64 // bytes
	Created, Modified time.Time
	// Refusal, if set, answers whoever opens the file; it is listed all the same.
	Refusal smbserver.Status
}

// Source says what a folder holds at a moment of the outlet's own clock.
type Source interface {
	At(now time.Time) Listing
}

// Listing is a fixed sequence of files; the same index always gives the same file.
type Listing interface {
	Len() int
	File(i int) File
}

// Files is a fixed set of files: a [Source] whose files do not depend on the time.
type Files []File

// At gives the files themselves.
func (f Files) At(time.Time) Listing { return f }

// Len counts the files.
func (f Files) Len() int { return len(f) }

// File gives one of them.
func (f Files) File(i int) File { return f[i] }

// Drive finds a drive by its share, in any case.
func (t *Truth) Drive(share string) (Drive, bool) {
	if drive, ok := t.Drives[share]; ok {
		return drive, true
	}
	for name, drive := range t.Drives {
		if strings.EqualFold(name, share) {
			return drive, true
		}
	}
	return Drive{}, false
}

// Folder finds a folder by its path, in any case.
func (d *Drive) Folder(path string) (Folder, bool) {
	if folder, ok := d.Folders[path]; ok {
		return folder, true
	}
	for name, folder := range d.Folders {
		if strings.EqualFold(name, path) {
			return folder, true
		}
	}
	return Folder{}, false
}

// Files gives what a folder holds at a moment of the right time; none if there is no such folder.
func (t *Truth) Files(share, path string, now time.Time) []File {
	drive, _ := t.Drive(share)
	folder, _ := drive.Folder(path)
	listing := folder.list(now.Add(t.ClockOffset))
	files := make([]File, listing.Len())
	for i := range files {
		files[i] = listing.File(i)
	}
	return files
}

// Add puts files into a folder, making drive and folder as needed. A file of the same name is not replaced.
func (t *Truth) Add(share, path string, files ...File) {
	if t.Drives == nil {
		t.Drives = map[string]Drive{}
	}
	drive := t.Drives[share]
	if drive.Folders == nil {
		drive.Folders = map[string]Folder{}
	}
	folder := drive.Folders[path]
	switch source := folder.Source.(type) {
	case nil:
		folder.Source = Files(slices.Clone(files))
	case Files:
		folder.Source = slices.Concat(source, files)
	default:
		folder.Source = both{source, Files(slices.Clone(files))}
	}
	drive.Folders[path] = folder
	t.Drives[share] = drive
}

func (f *Folder) list(now time.Time) Listing {
	if f.Source == nil {
		return Files(nil)
	}
	return f.Source.At(now)
}

// clone copies all that [Outlet.Change] may touch. Sources are never changed, only replaced.
func (t *Truth) clone() *Truth {
	c := *t
	c.Faults = slices.Clone(t.Faults)
	c.Drives = maps.Clone(t.Drives)
	for share, drive := range c.Drives {
		drive.Folders = maps.Clone(drive.Folders)
		c.Drives[share] = drive
	}
	return &c
}
