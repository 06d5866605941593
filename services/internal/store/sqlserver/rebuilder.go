package sqlserver

import (
	"context"
	"errors"
	"fmt"
	"unicode/utf16"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// Rebuilder is the database with a place of another kind to fold the log in: a
// fold of millions of events is no load for a server that others use.
type Rebuilder struct {
	*Store
	stager store.Stager
}

var _ store.Rebuilder = (*Rebuilder)(nil)

// Rebuilder makes one that folds where the stager says.
func (s *Store) Rebuilder(stager store.Stager) *Rebuilder { return &Rebuilder{s, stager} }

// Stage makes a staging whose rows are such as this database can hold. Errors:
// store.ErrStaged.
func (r *Rebuilder) Stage(ctx context.Context) (store.Staging, error) {
	l, err := r.tables(ctx)
	if err != nil {
		return nil, fmt.Errorf("make room for a rebuild: %w", explain(err))
	}
	staging, err := r.stager.Stage(ctx)
	if err != nil {
		return nil, err
	}
	return fitting{staging, l}, nil
}

// Unstage removes what a process that was killed has left of a staging.
func (r *Rebuilder) Unstage(ctx context.Context) error { return r.stager.Unstage(ctx) }

// fitting is a staging whose texts are cut where columns of the original
// system's tables are narrower here than they were made by that.
type fitting struct {
	store.Staging
	layout *layout
}

func (f fitting) DayRows(ctx context.Context, m events.Mode, d events.Date) ([]store.Look, error) {
	name, err := table(m)
	rows, rerr := f.Staging.DayRows(ctx, m, d)
	for i := range rows {
		l := &rows[i]
		for column, text := range map[string]*string{
			"BackupFile": &l.BackupFile, "BackupFileSize": &l.BackupFileSize, "Duration": &l.Duration, "ErrorDetails": &l.ErrorDetails,
			"DriveLetter": &l.DriveLetter,
		} {
			*text = f.layout.fit(name, column, *text)
		}
	}
	return rows, errors.Join(err, rerr)
}

func (f fitting) Registrations(ctx context.Context) ([]store.Outlet, error) {
	outlets, err := f.Staging.Registrations(ctx)
	for i := range outlets {
		o := &outlets[i]
		o.Address, o.Name = f.layout.fit("dbo.Outlets", "IPAddress", o.Address), f.layout.fit("dbo.Outlets", "OutletName", o.Name)
	}
	return outlets, err
}

// fit is what cut makes of a text: the server counts as UTF-16 does.
func (l *layout) fit(table, name, text string) string {
	width := l.width(table, name)
	if width == 0 || len(text) <= width {
		return text
	}
	units := utf16.Encode([]rune(text))
	return string(utf16.Decode(units[:min(width, len(units))]))
}
