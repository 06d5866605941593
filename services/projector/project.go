package projector

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
	"backupmonitor/services/internal/verdict"
)

// Projection is what one event says to the tables: at most one of these, and
// nothing for the events that only move the checkpoint.
type Projection struct {
	Look        *store.Look
	Outlet      *store.Outlet
	Quarantined *store.Quarantined
}

// Project reads an event. It is pure: the same record gives the same
// projection for ever. What it cannot read, or what cannot be a row, is
// quarantined.
func Project(r events.Record) Projection { return ProjectAnew(r, nil) }

// ProjectAnew is Project, except that a look says what judge makes of its
// facts, and not the verdict that it carries. A nil judge leaves that.
func ProjectAnew(r events.Record, judge func(events.BackupObserved) events.Verdict) Projection {
	p, err := project(r, judge)
	if err == nil {
		return p
	}
	q := SetAside(r, err.Error())
	return Projection{Quarantined: &q}
}

// SetAside is an event for the quarantine.
func SetAside(r events.Record, reason string) store.Quarantined {
	header, err := json.Marshal(r.Header)
	if err != nil {
		header = nil // only text in maps and slices: it cannot fail
	}
	return store.Quarantined{
		Seq: r.Seq, Subject: r.Subject, Type: short(events.TypeOf(r.Header)), Stored: r.Stored, Reason: short(reason), Header: header, Data: r.Data,
	}
}

// mostText is how many bytes of a type and of a reason people are shown, who have the
// whole in the header and in the data: whoever published an event wrote these, too.
const mostText = 500

func short(text string) string {
	if len(text) <= mostText {
		return text
	}
	return strings.ToValidUTF8(text[:mostText], "") + "…"
}

// maxRowBytes is more than any event has that becomes a row: a look at five
// drives of 20 files each, with names of 255 characters, has a quarter of it.
const maxRowBytes = 512 << 10

func project(r events.Record, judge func(events.BackupObserved) events.Verdict) (Projection, error) {
	e, err := r.Decode()
	if err != nil {
		return Projection{}, err
	}
	switch e.Data.(type) {
	case events.BackupObserved, events.HistoryImported, events.OutletChanged:
		if len(r.Data) > maxRowBytes {
			return Projection{}, fmt.Errorf("oversized: the event has %d bytes, and none that becomes a row has more than %d", len(r.Data), maxRowBytes)
		}
	}
	switch p := e.Data.(type) {
	case events.BackupObserved:
		if judge != nil {
			p.Verdict = judge(p)
		}
		l := lookOf(p)
		l.EventID, l.Seq, l.Stored = e.ID, r.Seq, r.Stored
		return Projection{Look: &l}, checkLook(&l)
	case events.HistoryImported:
		l := importedLook(p)
		l.EventID, l.Seq, l.Stored = e.ID, r.Seq, r.Stored
		return Projection{Look: &l}, checkLook(&l)
	case events.OutletChanged:
		code, err := events.CleanCode(p.Code)
		if err != nil {
			return Projection{}, err
		}
		return Projection{Outlet: &store.Outlet{
			Code: code, Address: p.Address, Name: p.Name, Group: p.Group, Active: p.Active, PausedUntil: pausedUntil(p.PausedUntil),
			MaxAgeSeconds: p.MaxAgeSeconds, Source: p.Source, Seq: r.Seq,
		}}, nil
	}
	return Projection{}, nil
}

// checkLook refuses what no table can hold: such a look would be refused
// again and again, and everything behind it would wait.
func checkLook(l *store.Look) error {
	var err error
	if l.Outlet, err = events.CleanCode(l.Outlet); err != nil {
		return err
	}
	if _, err := events.ParseMode(string(l.Mode)); err != nil {
		return err
	}
	if _, err := events.ParseDate(string(l.ScanDate)); err != nil {
		return err
	}
	if l.Evidence < events.EvidenceNone || l.Evidence > events.EvidenceFull {
		return fmt.Errorf("evidence %d is none of 0 to 3", l.Evidence)
	}
	if l.Status != events.Successful && l.Status != events.Failed {
		return fmt.Errorf("%q is not a status", l.Status)
	}
	if math.IsNaN(l.DurationMS) || math.IsInf(l.DurationMS, 0) {
		return errors.New("the duration is not a number")
	}
	return nil
}

// lookOf takes the verdict as it stands in the event; it never judges. The
// file of the verdict, also one that only explains a failure, gives
// LastBackupTaken its raw time: so a file after the scan date moves the row
// among those of an advanced date, whatever the outcome.
func lookOf(e events.BackupObserved) store.Look {
	v := e.Verdict
	l := store.Look{
		Mode: e.Mode, Outlet: e.Outlet, ScanDate: e.ScanDate, Status: v.Status, Cause: v.Cause, Conclusive: v.Conclusive,
		Evidence: v.Evidence, Duration: DurationText(e.DurationMS), ErrorDetails: v.Detail, Server: e.Server,
		DurationMS: e.DurationMS, ScanID: e.ScanID,
	}
	if e.Mode == events.IBStorage {
		l.DriveLetter = v.DriveLetter
	}
	if v.File != nil {
		size := v.File.Bytes
		l.BackupFile, l.BackupFileSize, l.SizeBytes = v.File.Name, verdict.Size(size), &size
		l.LastBackupTaken = storable(v.File.Modified)
	}
	if !e.StartedAt.IsZero() {
		l.ObservedAt = storable(e.StartedAt)
	}
	if e.ServerTime != nil {
		l.ClockSkewMS = &e.ClockSkewMS
	}
	if d := deciding(e); d != nil {
		l.FreeBytes, l.TotalBytes = signed(d.FreeBytes), signed(d.TotalBytes)
	}
	return l
}

// deciding is the drive that the verdict rests on.
func deciding(e events.BackupObserved) *events.Drive {
	for i := range e.Drives {
		if strings.EqualFold(e.Drives[i].Letter, e.Verdict.DriveLetter) {
			return &e.Drives[i]
		}
	}
	if len(e.Drives) == 1 {
		return &e.Drives[0]
	}
	return nil
}

// importedLook is a row from before the log, whose words may be those of older
// versions.
func importedLook(e events.HistoryImported) store.Look {
	l := store.Look{
		Mode: e.Mode, Outlet: e.Outlet, ScanDate: e.ScanDate, Status: store.ReadStatus(string(e.Status)),
		BackupFile: store.ReadText(e.BackupFile), BackupFileSize: store.ReadText(e.BackupFileSize),
		Duration: store.ReadText(e.Duration), ErrorDetails: store.ReadText(e.ErrorDetails), DriveLetter: store.ReadText(e.DriveLetter),
	}
	if e.LastBackupTaken != nil {
		l.LastBackupTaken = storable(*e.LastBackupTaken)
	}
	l.Unjudged()
	return l
}

// storable is t, or nil where a DATETIME cannot hold it: 1753 to 9999.
// Source: Transact-SQL reference, datetime, date range.
func storable(t time.Time) *time.Time {
	if y := t.UTC().Year(); y < 1753 || y > 9999 {
		return nil
	}
	return &t
}

// endOfTime is the last that a DATETIME2(6) can hold.
// Source: Transact-SQL reference, datetime2, date range.
func endOfTime() time.Time { return time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC) }

// pausedUntil is t as a column can hold it: a pause that ends after all that it
// can is without end, and one that ended before them is none.
func pausedUntil(t *time.Time) *time.Time {
	switch {
	case t == nil || t.UTC().Year() < 1:
		return nil
	case t.UTC().Year() > 9999:
		return new(endOfTime())
	}
	return t
}

func signed(n *uint64) *int64 {
	if n == nil {
		return nil
	}
	s := int64(min(*n, math.MaxInt64))
	return &s
}

// DurationText writes milliseconds as Duration has them: 1.25 s.
func DurationText(ms float64) string { return fmt.Sprintf("%.2f s", ms/1000) }
