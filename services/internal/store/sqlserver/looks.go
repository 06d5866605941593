package sqlserver

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"strings"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// lookTable is how looks travel.
func lookTable() staging {
	return staging{name: "looks", columns: []stagedColumn{
		{"Seq", "BIGINT NOT NULL PRIMARY KEY"}, {"EventHash", "NVARCHAR(32) COLLATE {bin} NOT NULL"}, {"EventID", "NVARCHAR(MAX) NOT NULL"},
		{"Stored", "DATETIME2(6) NOT NULL"}, {"OutletKey", "NVARCHAR(100) COLLATE {bin} NOT NULL"},
		{"OutletServer", "NVARCHAR(50) COLLATE {bin} NOT NULL"}, {"ScanDate", "DATE NOT NULL"}, {"Status", "NVARCHAR(50) NOT NULL"},
		{"Cause", "NVARCHAR(50) COLLATE {bin} NOT NULL"}, {"Conclusive", "BIT NOT NULL"}, {"Evidence", "INT NOT NULL"},
		{"LastBackupTaken", "DATETIME2(0) NULL"}, {"BackupFile", "NVARCHAR(255) NULL"}, {"BackupFileSize", "NVARCHAR(50) NULL"},
		{"Duration", "NVARCHAR(50) NULL"}, {"ErrorDetails", "NVARCHAR(500) NULL"}, {"DriveLetter", "NVARCHAR(10) NULL"},
		{"Server", "NVARCHAR(255) NULL"}, {"SizeBytes", "BIGINT NULL"}, {"ObservedAt", "DATETIME2(6) NULL"}, {"DurationMS", "FLOAT NULL"},
		{"ClockSkewMS", "FLOAT NULL"}, {"FreeBytes", "BIGINT NULL"}, {"TotalBytes", "BIGINT NULL"}, {"ScanID", "NVARCHAR(255) NULL"},
	}}
}

func lookRow(l store.Look) []any {
	hash := sha256.Sum256([]byte(l.EventID))
	id := hex.EncodeToString(hash[:16])
	return []any{
		int64(l.Seq), id, l.EventID, l.Stored.Format(ourTime), events.Key(l.Outlet), l.Outlet, string(l.ScanDate), string(l.Status),
		string(l.Cause), l.Conclusive, int64(l.Evidence), formatTime(l.LastBackupTaken, originalTime), orNull(l.BackupFile),
		orNull(l.BackupFileSize), orNull(l.Duration), orNull(l.ErrorDetails), orNull(l.DriveLetter), orNull(l.Server),
		integer(l.SizeBytes), formatTime(l.ObservedAt, ourTime), l.DurationMS, float(l.ClockSkewMS), integer(l.FreeBytes),
		integer(l.TotalBytes), orNull(l.ScanID),
	}
}

// looks folds the looks at one mode.
func (w writing) looks(ctx context.Context, m events.Mode, looks []store.Look) error {
	var rows [][]any
	known := map[string]bool{}
	seqs := map[uint64]string{}
	for _, l := range looks {
		if _, err := table(l.Mode); err != nil {
			return fmt.Errorf("event %d: %w", l.Seq, err)
		}
		if l.Mode != m || known[l.EventID] {
			continue
		}
		if other, taken := seqs[l.Seq]; taken {
			return fmt.Errorf("event %d: the sequence belongs to an event other than %s: %s", l.Seq, l.EventID, other)
		}
		known[l.EventID], seqs[l.Seq] = true, l.EventID
		rows = append(rows, lookRow(l.Normal()))
	}
	if len(rows) == 0 {
		return nil
	}
	err := w.staged(ctx, m, rows, sqlFold)
	if is(err, numberForeignSequence) {
		return fmt.Errorf("a sequence belongs to another event: %w", err)
	}
	return err
}

// staged runs a text with looks at one mode.
func (w writing) staged(ctx context.Context, m events.Mode, rows [][]any, text string) error {
	name, err := table(m)
	if err != nil {
		return err
	}
	t := lookTable()
	t.name += "_" + string(m)
	return w.use(ctx, t, rows, w.layout.filled(name, text), sql.Named("mode", string(m)))
}

// The texts that fold the looks at one mode, which are in {rows}. {table} is the
// stat table, {coll} its key's collation and {key} its type; {code} is a code of
// x as that key; {respelled}, {another} and {misspelled} compare spellings; {set}, {names} and {values} are its
// columns, and {respell} is sqlRespell or nothing.
//
// @best is of each day the best look of the batch, where it beats the row that
// stands: Spelled is how that row is spelled, NULL where there is none. A row
// that somebody else wrote weighs as an imported one. Only new events count: a
// known one has another sequence, or is in the row already.
const (
	sqlFold = sqlNewLines + sqlBest + sqlBestOfBatch + sqlPut + sqlDays

	sqlNewLines = `IF EXISTS (SELECT 1 FROM {rows} l JOIN dbo.MonitorHistory h ON h.Seq = l.Seq WHERE h.EventHash <> l.EventHash
	AND NOT EXISTS (SELECT 1 FROM dbo.MonitorHistory k WHERE k.EventHash = l.EventHash))
	THROW 50001, 'a sequence belongs to another event', 1;

` + sqlInsertLines + `
WHERE NOT EXISTS (SELECT 1 FROM dbo.MonitorHistory h WHERE h.EventHash = l.EventHash);
`
	sqlInsertLines = `INSERT INTO dbo.MonitorHistory (Seq, EventHash, EventID, Stored, Mode, OutletKey, OutletServer, ScanDate, Status, Cause, Conclusive,
	Evidence, LastBackupTaken, BackupFile, BackupFileSize, Duration, ErrorDetails, DriveLetter, Server, SizeBytes, ObservedAt,
	DurationMS, ClockSkewMS, FreeBytes, TotalBytes, ScanID)
SELECT l.Seq, l.EventHash, l.EventID, l.Stored, @mode, l.OutletKey, l.OutletServer, l.ScanDate,
	l.Status, l.Cause, l.Conclusive, l.Evidence, l.LastBackupTaken, l.BackupFile, l.BackupFileSize, l.Duration,
	l.ErrorDetails, l.DriveLetter, l.Server, l.SizeBytes, l.ObservedAt, l.DurationMS, l.ClockSkewMS,
	l.FreeBytes, l.TotalBytes, l.ScanID
FROM {rows} l`

	sqlBest = `
DECLARE @best TABLE (
	OutletKey NVARCHAR(100) COLLATE {bin} NOT NULL, ScanDate DATE NOT NULL, Seq BIGINT NOT NULL,
	OutletServer {key} NOT NULL, Spelled {key} NULL,
	PRIMARY KEY (OutletKey, ScanDate));
INSERT INTO @best (OutletKey, ScanDate, Seq, OutletServer, Spelled)
`
	sqlBestOfBatch = `SELECT x.OutletKey, x.ScanDate, x.Seq, x.OutletServer, COALESCE(m.OutletServer COLLATE {coll}, s.OutletServer)
FROM (
	SELECT h.OutletKey, h.ScanDate, h.Seq, h.OutletServer, h.Evidence,
		ROW_NUMBER() OVER (PARTITION BY h.OutletKey, h.ScanDate ORDER BY h.Evidence DESC, h.Seq DESC) AS Place
	FROM {rows} l JOIN dbo.MonitorHistory h ON h.Seq = l.Seq AND h.EventHash = l.EventHash
) x
LEFT JOIN dbo.MonitorStat m ON m.Mode = @mode AND m.ScanDate = x.ScanDate AND m.OutletKey = x.OutletKey
LEFT JOIN {table} s ON s.OutletServer = {code} AND s.ScanDate = x.ScanDate AND m.OutletKey IS NULL
WHERE x.Place = 1 AND (m.Evidence < x.Evidence OR m.Evidence = x.Evidence AND m.Seq < x.Seq
	OR m.OutletKey IS NULL AND (s.OutletServer IS NULL OR x.Evidence >= 2));
`
	sqlPut = `-- A collation may take for one what the program takes for two.
IF EXISTS (SELECT 1 FROM @best GROUP BY OutletServer, ScanDate HAVING COUNT(*) > 1)
	DELETE b FROM @best b WHERE EXISTS (SELECT 1 FROM @best o WHERE o.OutletServer = b.OutletServer AND o.ScanDate = b.ScanDate AND o.Seq > b.Seq);

IF EXISTS (SELECT 1 FROM @best b WHERE {respelled})
BEGIN
	-- A row of the new spelling is from before the log, of the same outlet and day.
	DELETE s FROM {table} s JOIN @best b ON s.OutletServer = b.OutletServer AND s.ScanDate = b.ScanDate
	WHERE {respelled} AND {another};
	UPDATE s SET OutletServer = b.OutletServer FROM {table} s JOIN @best b ON s.OutletServer = b.Spelled AND s.ScanDate = b.ScanDate
	WHERE {respelled};
END;
{respell}UPDATE s SET {set}
FROM {table} s JOIN @best b ON s.OutletServer = b.OutletServer AND s.ScanDate = b.ScanDate JOIN {rows} l ON l.Seq = b.Seq;
INSERT INTO {table} (OutletServer, ScanDate, {names})
SELECT b.OutletServer, b.ScanDate, {values} FROM @best b JOIN {rows} l ON l.Seq = b.Seq
WHERE NOT EXISTS (SELECT 1 FROM {table} s WHERE s.OutletServer = b.OutletServer AND s.ScanDate = b.ScanDate);

DELETE m FROM dbo.MonitorStat m JOIN @best b ON m.Mode = @mode AND m.ScanDate = b.ScanDate AND m.OutletKey = b.OutletKey;
INSERT INTO dbo.MonitorStat (Mode, ScanDate, OutletKey, OutletServer, EventID, Seq, Stored, Evidence, Cause, Conclusive, Server,
	SizeBytes, ObservedAt, DurationMS, ClockSkewMS, FreeBytes, TotalBytes, ScanID)
SELECT @mode, b.ScanDate, b.OutletKey, l.OutletServer, l.EventID, l.Seq, l.Stored, l.Evidence, l.Cause,
	l.Conclusive, l.Server, l.SizeBytes, l.ObservedAt, l.DurationMS, l.ClockSkewMS, l.FreeBytes, l.TotalBytes, l.ScanID
FROM @best b JOIN {rows} l ON l.Seq = b.Seq;
`
)

// The end of the text: the days of the batch, also such on which it changed no row,
// are to be counted anew, and some earlier ones, which this batch left alone, are
// counted here. The newest never
// is: looks still come in, and whoever asks counts its rows anyway. LastSeq is for
// store.KeptDay: NULL where a row is not as the history has it, as one from before
// the log, or that another program has changed.
const sqlDays = `
DECLARE @days TABLE (ScanDate DATE NOT NULL PRIMARY KEY);
INSERT INTO @days (ScanDate) SELECT DISTINCT ScanDate FROM {rows};
UPDATE d SET Counted = 0 FROM dbo.MonitorDay d JOIN @days x ON d.Mode = @mode AND d.ScanDate = x.ScanDate WHERE d.Counted = 1;
INSERT INTO dbo.MonitorDay (Mode, ScanDate, Total, Successful, NotObserved, Counted)
SELECT @mode, x.ScanDate, 0, 0, 0, 0 FROM @days x
WHERE NOT EXISTS (SELECT 1 FROM dbo.MonitorDay d WHERE d.Mode = @mode AND d.ScanDate = x.ScanDate);

DECLARE @old TABLE (ScanDate DATE NOT NULL PRIMARY KEY);
INSERT INTO @old (ScanDate) SELECT TOP (8) d.ScanDate FROM dbo.MonitorDay d
WHERE d.Mode = @mode AND d.Counted = 0 AND NOT EXISTS (SELECT 1 FROM @days x WHERE x.ScanDate = d.ScanDate)
	AND d.ScanDate < (SELECT MAX(n.ScanDate) FROM dbo.MonitorDay n WHERE n.Mode = @mode) ORDER BY d.ScanDate;
IF EXISTS (SELECT 1 FROM @old)
	UPDATE d SET Counted = 1, Total = c.Total, Successful = c.Successful, NotObserved = c.NotObserved, LastSeq = c.LastSeq
	FROM dbo.MonitorDay d JOIN (
		SELECT o.ScanDate, COUNT(s.ScanDate) AS Total, SUM(CASE WHEN UPPER(s.Status) = 'SUCCESSFUL' THEN 1 ELSE 0 END) AS Successful,
			SUM(CASE WHEN m.Evidence = 0 THEN 1 ELSE 0 END) AS NotObserved,
			CASE WHEN COUNT(s.ScanDate) = COUNT(h.Seq) THEN MAX(h.Seq) END AS LastSeq
		FROM @old o LEFT JOIN {table} s ON s.ScanDate = o.ScanDate
		LEFT JOIN dbo.MonitorStat m ON m.Mode = @mode AND m.ScanDate = s.ScanDate AND m.OutletServer = s.OutletServer COLLATE {bin}
		OUTER APPLY (SELECT TOP (1) y.Seq FROM dbo.MonitorHistory y
			WHERE y.Seq = m.Seq AND y.Evidence = m.Evidence AND UPPER(y.Status) = UPPER(s.Status) COLLATE {bin}) h
		GROUP BY o.ScanDate
	) c ON d.Mode = @mode AND d.ScanDate = c.ScanDate;`

// sqlRespell gives the row the spelling of its look in a table whose collation
// takes several for one.
const sqlRespell = `UPDATE s SET OutletServer = b.OutletServer FROM {table} s JOIN @best b ON s.OutletServer = b.OutletServer AND s.ScanDate = b.ScanDate
WHERE {misspelled};
`

// filled is a text of those above for one stat table.
func (l *layout) filled(table, text string) string {
	columns := []struct{ name, value string }{
		{"Status", "l.Status"}, {"LastBackupTaken", "CAST(l.LastBackupTaken AS DATETIME)"}, {"BackupFile", "l.BackupFile"},
		{"BackupFileSize", "l.BackupFileSize"}, {"Duration", "l.Duration"}, {"ErrorDetails", "l.ErrorDetails"}, {"DriveLetter", "l.DriveLetter"},
	}
	var set, names, values string
	for _, c := range columns {
		if !l.has(table, c.name) {
			continue // DriveLetter has one table alone
		}
		value := c.value
		if c.name != "LastBackupTaken" {
			value = l.value(table, c.name, value)
		}
		if set != "" {
			set, names, values = set+", ", names+", ", values+", "
		}
		set, names, values = set+c.name+" = "+value, names+c.name, values+value
	}
	const key = "OutletServer"
	collation, respell := l.collation(table, key), sqlRespell
	if strings.HasSuffix(strings.ToLower(collation), "_bin2") {
		respell = ""
	}
	return fill(strings.Replace(text, "{respell}", respell, 1), "table", table, "coll", collation, "set", set, "names", names, "values", values,
		"key", l.keyType(table, key), "code", l.joined(table, key, "x.OutletServer"),
		"respelled", l.differ(table, key, "b.Spelled", "b.OutletServer"), "another", l.differ(table, key, "s.OutletServer", "b.Spelled"),
		"misspelled", l.differ(table, key, "s.OutletServer", "b.OutletServer"))
}
