package sqlite

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// day is what a row is about.
type day struct {
	mode events.Mode
	key  string
	date events.Date
}

// looks writes the history and then, of each day, only the best of the batch.
func (w *writing) looks(looks []store.Look) error {
	best := map[day]store.Look{}
	for _, l := range looks {
		l = l.Normal()
		fresh, err := w.history(l)
		if err := errors.Join(w.outer.Err(), err); err != nil {
			return fmt.Errorf("event %d: %w", l.Seq, err)
		}
		d := day{mode: l.Mode, key: events.Key(l.Outlet), date: l.ScanDate}
		if b, ok := best[d]; fresh && (!ok || l.Beats(b.Evidence, b.Seq)) {
			best[d] = l
		}
	}
	for d, l := range best {
		if err := errors.Join(w.outer.Err(), w.stat(d, l)); err != nil {
			return fmt.Errorf("event %d: %w", l.Seq, err)
		}
	}
	return w.days(best)
}

// history tells whether the look is new. A sequence that another event has
// taken is an error: it is not the same log.
func (w *writing) history(l store.Look) (bool, error) {
	if _, err := table(l.Mode); err != nil {
		return false, err
	}
	n, err := w.line(w.of.history, l)
	if err != nil || n == 1 {
		return err == nil, err
	}
	var known int
	if err := w.row(w.of.known, l.EventID).Scan(&known); err != nil {
		return false, err
	}
	if known == 0 {
		return false, fmt.Errorf("the sequence belongs to an event other than %s", l.EventID)
	}
	return false, nil
}

func (w *writing) line(how *sql.Stmt, l store.Look) (int64, error) {
	return w.exec(how, l.Seq, l.EventID, formatTime(&l.Stored, ourTime), l.Mode, events.Key(l.Outlet), l.Outlet,
		l.ScanDate, l.Status, l.Cause, l.Conclusive, l.Evidence, formatTime(l.LastBackupTaken, ourTime), orNull(l.BackupFile),
		orNull(l.BackupFileSize), orNull(l.Duration), orNull(l.ErrorDetails), orNull(l.DriveLetter), orNull(l.Server),
		l.SizeBytes, formatTime(l.ObservedAt, ourTime), l.DurationMS, l.ClockSkewMS, l.FreeBytes, l.TotalBytes, orNull(l.ScanID))
}

// stat makes l the day's row if it beats the one that stands.
func (w *writing) stat(d day, l store.Look) error {
	spelled, evidence, seq, err := w.standing(d, l.Outlet)
	if err != nil {
		return err
	}
	if spelled != "" && !l.Beats(evidence, seq) {
		return nil
	}
	return w.put(d, spelled, l)
}

// put writes l as the day's row in place of the one spelled so, "" for none.
func (w *writing) put(d day, spelled string, l store.Look) error {
	values := []any{
		l.Outlet, l.Status, formatTime(l.LastBackupTaken, originalTime), orNull(l.BackupFile), orNull(l.BackupFileSize),
		orNull(l.Duration), orNull(l.ErrorDetails),
	}
	if d.mode == events.IBStorage {
		values = append(values, orNull(l.DriveLetter))
	}
	var updated int64
	for _, spelling := range slices.Compact([]string{spelled, l.Outlet}) { // where it is not as it was noted, it may be there as it is to be
		if updated > 0 || spelled == "" {
			break
		}
		var err error
		if updated, err = w.exec(w.of.rowUpdate[d.mode], append(values, spelling, d.date)...); err != nil {
			return err
		}
	}
	if updated == 0 {
		if _, err := w.exec(w.of.rowInsert[d.mode], append(values, d.date)...); err != nil {
			return err
		}
	}
	_, err := w.exec(w.of.beside, d.mode, d.key, d.date, l.Outlet, l.EventID, l.Seq, formatTime(&l.Stored, ourTime), l.Evidence,
		l.Cause, l.Conclusive, orNull(l.Server), l.SizeBytes, formatTime(l.ObservedAt, ourTime), l.DurationMS, l.ClockSkewMS,
		l.FreeBytes, l.TotalBytes, orNull(l.ScanID))
	return err
}

// standing is the day's row as it is: its spelling, "" where there is none,
// and its weight. A row that somebody else wrote weighs as an imported one.
func (w *writing) standing(d day, outlet string) (spelled string, evidence events.Evidence, seq uint64, err error) {
	err = w.row(w.of.standing, d.mode, d.key, d.date).Scan(&spelled, &evidence, &seq)
	if err == nil || !errors.Is(err, sql.ErrNoRows) {
		return spelled, evidence, seq, err
	}
	var rows int
	if err := w.row(w.of.rowExists[d.mode], outlet, d.date).Scan(&rows); err != nil || rows == 0 {
		return "", 0, 0, err
	}
	return outlet, events.EvidenceImported, 0, nil
}

// outlet writes a registration unless a newer one is there, or, where it is
// put right, whatever is there.
func (w *writing) outlet(o store.Outlet, whatever bool) error {
	key := events.Key(o.Code)
	var spelled string
	var seq uint64
	err := w.row(w.of.registered, key).Scan(&spelled, &seq)
	switch {
	case err != nil && !errors.Is(err, sql.ErrNoRows):
		return err
	case err == nil && seq >= o.Seq && !whatever:
		return nil
	case err == nil && spelled != o.Code && events.Key(spelled) == key:
		if _, err := w.exec(w.of.respell, o.Code, spelled); err != nil {
			return err
		}
	}
	if _, err := w.exec(w.of.outlet, o.Address, o.Name, flag(o.Active), o.Code); err != nil {
		return err
	}
	_, err = w.exec(w.of.ourOutlet, key, o.Code, orNull(o.Group), formatTime(o.PausedUntil, ourTime), o.MaxAgeSeconds, o.Source, o.Seq)
	return err
}
