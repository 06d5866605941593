package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"backupmonitor/events"
)

// The texts of what Apply runs. %s is a stat table.
const (
	sqlFence = `UPDATE MonitorCheckpoint SET Stream = ?, Seq = ? WHERE ID = 1 AND Stream = ? AND Seq = ?`
	sqlBegin = `INSERT INTO MonitorCheckpoint (ID, Stream, Seq) VALUES (1, ?, ?) ON CONFLICT DO NOTHING`

	historyColumns = `Seq, EventID, Stored, Mode, OutletKey, OutletServer, ScanDate, Status, Cause,
		Conclusive, Evidence, LastBackupTaken, BackupFile, BackupFileSize, Duration, ErrorDetails, DriveLetter,
		Server, SizeBytes, ObservedAt, DurationMS, ClockSkewMS, FreeBytes, TotalBytes, ScanID`
	sqlHistory = `INSERT INTO MonitorHistory (` + historyColumns + `)
		VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING`
	// What a rebuild puts right: another line of the same sequence or the same
	// event goes.
	sqlHistoryPut = `INSERT OR REPLACE INTO MonitorHistory (` + historyColumns + `)
		VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`
	sqlKnown = `SELECT COUNT(*) FROM MonitorHistory WHERE EventID = ?`

	sqlStanding = `SELECT OutletServer, Evidence, Seq FROM MonitorStat WHERE Mode = ? AND OutletKey = ? AND ScanDate = ?`
	sqlBeside   = `INSERT INTO MonitorStat (Mode, OutletKey, ScanDate, OutletServer, EventID, Seq, Stored, Evidence, Cause,
		Conclusive, Server, SizeBytes, ObservedAt, DurationMS, ClockSkewMS, FreeBytes, TotalBytes, ScanID)
		VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)
		ON CONFLICT (Mode, OutletKey, ScanDate) DO UPDATE SET OutletServer = excluded.OutletServer,
		EventID = excluded.EventID, Seq = excluded.Seq, Stored = excluded.Stored, Evidence = excluded.Evidence,
		Cause = excluded.Cause, Conclusive = excluded.Conclusive, Server = excluded.Server, SizeBytes = excluded.SizeBytes,
		ObservedAt = excluded.ObservedAt, DurationMS = excluded.DurationMS, ClockSkewMS = excluded.ClockSkewMS,
		FreeBytes = excluded.FreeBytes, TotalBytes = excluded.TotalBytes, ScanID = excluded.ScanID`

	sqlExists = `SELECT COUNT(*) FROM %s WHERE OutletServer = ? AND ScanDate = ?`
	// OR REPLACE: where the spelling changes to one that has a row already,
	// that row is from before the log, of the same outlet and day.
	sqlUpdateRow = `UPDATE OR REPLACE %s SET OutletServer = ?, Status = ?, LastBackupTaken = ?, BackupFile = ?, BackupFileSize = ?,
		Duration = ?, ErrorDetails = ?%s WHERE OutletServer = ? AND ScanDate = ?`
	sqlInsertRow = `INSERT INTO %s (OutletServer, Status, LastBackupTaken, BackupFile, BackupFileSize, Duration,
		ErrorDetails%s, ScanDate) VALUES (?,?,?,?,?,?,?%s,?)`

	sqlRegistered = `SELECT OutletCode, Seq FROM MonitorOutlet WHERE OutletKey = ?`
	sqlOutlet     = `INSERT INTO Outlets (IPAddress, OutletName, ActiveDepot, OutletCode) VALUES (?,?,?,?)
		ON CONFLICT (OutletCode) DO UPDATE SET IPAddress = excluded.IPAddress, OutletName = excluded.OutletName,
		ActiveDepot = excluded.ActiveDepot`
	sqlRespell   = `UPDATE OR REPLACE Outlets SET OutletCode = ? WHERE OutletCode = ?`
	sqlOurOutlet = `INSERT INTO MonitorOutlet (OutletKey, OutletCode, OutletGroup, PausedUntil, MaxAgeSeconds, Source, Seq)
		VALUES (?,?,?,?,?,?,?) ON CONFLICT (OutletKey) DO UPDATE SET OutletCode = excluded.OutletCode,
		OutletGroup = excluded.OutletGroup, PausedUntil = excluded.PausedUntil, MaxAgeSeconds = excluded.MaxAgeSeconds,
		Source = excluded.Source, Seq = excluded.Seq`

	sqlQuarantine = `INSERT INTO MonitorQuarantine (Seq, Subject, Type, Stored, Reason, Header, Data)
		VALUES (?,?,?,?,?,?,?) ON CONFLICT (Seq) DO NOTHING`
	sqlQuarantinePut = `INSERT OR REPLACE INTO MonitorQuarantine (Seq, Subject, Type, Stored, Reason, Header, Data)
		VALUES (?,?,?,?,?,?,?)`
	sqlRelease = `DELETE FROM MonitorQuarantine WHERE Seq = ?`
)

// statements are what Apply runs, prepared on the writing connection.
type statements struct {
	fence, begin                           *sql.Stmt
	history, known, standing, beside       *sql.Stmt
	registered, outlet, respell, ourOutlet *sql.Stmt
	quarantine, touch, uncounted           *sql.Stmt
	release, historyPut, quarantinePut     *sql.Stmt
	rowExists, rowUpdate, rowInsert        map[events.Mode]*sql.Stmt
	countDay                               map[events.Mode]*sql.Stmt
	all                                    []*sql.Stmt
}

func (s *Store) statements(ctx context.Context) (*statements, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ready != nil {
		return s.ready, nil
	}
	p := &statements{}
	if err := p.prepare(ctx, s.writer); err != nil {
		return nil, errors.Join(err, p.close())
	}
	s.ready = p
	return p, nil
}

func (p *statements) prepare(ctx context.Context, db *sql.DB) error {
	one := func(to **sql.Stmt, text string) error {
		st, err := db.PrepareContext(ctx, text) //nolint:sqlclosecheck // close closes all
		if err != nil {
			return fmt.Errorf("prepare a statement: %w", explain(err))
		}
		*to = st
		p.all = append(p.all, st)
		return nil
	}
	for _, x := range []struct {
		to   **sql.Stmt
		text string
	}{
		{&p.fence, sqlFence}, {&p.begin, sqlBegin}, {&p.history, sqlHistory}, {&p.known, sqlKnown},
		{&p.standing, sqlStanding}, {&p.beside, sqlBeside}, {&p.registered, sqlRegistered}, {&p.outlet, sqlOutlet},
		{&p.respell, sqlRespell}, {&p.ourOutlet, sqlOurOutlet}, {&p.quarantine, sqlQuarantine}, {&p.release, sqlRelease},
		{&p.touch, sqlTouch}, {&p.uncounted, sqlUncounted},
		{&p.historyPut, sqlHistoryPut}, {&p.quarantinePut, sqlQuarantinePut},
	} {
		if err := one(x.to, x.text); err != nil {
			return err
		}
	}
	p.rowExists, p.rowUpdate, p.rowInsert = map[events.Mode]*sql.Stmt{}, map[events.Mode]*sql.Stmt{}, map[events.Mode]*sql.Stmt{}
	p.countDay = map[events.Mode]*sql.Stmt{}
	for _, m := range events.Modes() {
		name, err := table(m)
		if err != nil {
			return err
		}
		set, column, mark := "", "", ""
		if m == events.IBStorage {
			set, column, mark = ", DriveLetter = ?", ", DriveLetter", ",?"
		}
		for _, x := range []struct {
			to   map[events.Mode]*sql.Stmt
			text string
		}{
			{p.rowExists, fmt.Sprintf(sqlExists, name)}, {p.rowUpdate, fmt.Sprintf(sqlUpdateRow, name, set)},
			{p.rowInsert, fmt.Sprintf(sqlInsertRow, name, column, mark)}, {p.countDay, fmt.Sprintf(sqlCountDay, name)},
		} {
			var st *sql.Stmt
			if err := one(&st, x.text); err != nil {
				return err
			}
			x.to[m] = st
		}
	}
	return nil
}

func (p *statements) close() error {
	var errs []error
	for _, st := range p.all {
		errs = append(errs, st.Close())
	}
	return errors.Join(errs...)
}
