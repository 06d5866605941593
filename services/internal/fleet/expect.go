package fleet

import (
	"strings"

	"backupmonitor/events"
)

// Expectation is what a right look at an outlet must find at this moment.
type Expectation struct {
	Expected
	// File is the newest backup by name on that share, of any size and date; nil if there is none.
	File *File
}

// Expect says what a right look in a mode must find now, as long as the truth is the one the outlet was made with. It is
// known from how the outlet was made. ok is false for an outlet that was described without it.
func (o *Outlet) Expect(mode events.Mode) (e Expectation, ok bool) {
	e.Expected, ok = o.spec.Expected[mode]
	if !ok || e.Share == "" {
		return e, ok
	}
	truth := o.truth.Load()
	for _, file := range truth.Files(e.Share, BackupFolder, o.fleet.options.Now()) {
		if !strings.HasSuffix(strings.ToLower(file.Name), ".bak") {
			continue
		}
		if e.File == nil || file.Modified.After(e.File.Modified) {
			e.File = &file
		}
	}
	return e, ok
}
