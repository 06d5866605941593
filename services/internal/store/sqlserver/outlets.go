package sqlserver

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

func outletTable() staging {
	return staging{name: "outlets", columns: []stagedColumn{
		{"OutletKey", "NVARCHAR(100) COLLATE {bin} NOT NULL PRIMARY KEY"}, {"OutletCode", "NVARCHAR(50) COLLATE {bin} NOT NULL"},
		{"IPAddress", "NVARCHAR(255) NULL"}, {"OutletName", "NVARCHAR(255) NULL"}, {"ActiveDepot", "NVARCHAR(1) NOT NULL"},
		{"OutletGroup", "NVARCHAR(255) NULL"}, {"PausedUntil", "DATETIME2(6) NULL"}, {"MaxAgeSeconds", "BIGINT NULL"},
		{"Source", "NVARCHAR(50) NOT NULL"}, {"Seq", "BIGINT NOT NULL"},
	}}
}

// The text that writes registrations, {unless} newer ones are there; see sqlFold.
const sqlRegister = `DECLARE @best TABLE (
	OutletKey NVARCHAR(100) COLLATE {bin} NOT NULL PRIMARY KEY, OutletCode {key} NOT NULL,
	Spelled {key} NULL, Seq BIGINT NOT NULL);
INSERT INTO @best (OutletKey, OutletCode, Spelled, Seq)
SELECT x.OutletKey, x.OutletCode, COALESCE(m.OutletCode COLLATE {coll}, o.OutletCode), x.Seq FROM {rows} x
LEFT JOIN dbo.MonitorOutlet m ON m.OutletKey = x.OutletKey
LEFT JOIN dbo.Outlets o ON o.OutletCode = {code} AND m.OutletKey IS NULL{unless};
IF EXISTS (SELECT 1 FROM @best GROUP BY OutletCode HAVING COUNT(*) > 1)
	DELETE b FROM @best b WHERE EXISTS (SELECT 1 FROM @best o WHERE o.OutletCode = b.OutletCode AND o.Seq > b.Seq);

IF EXISTS (SELECT 1 FROM @best b WHERE {respelled})
BEGIN
	DELETE o FROM dbo.Outlets o JOIN @best b ON o.OutletCode = b.OutletCode
	WHERE {respelled} AND {another};
	UPDATE o SET OutletCode = b.OutletCode FROM dbo.Outlets o JOIN @best b ON o.OutletCode = b.Spelled
	WHERE {respelled};
END;
UPDATE o SET IPAddress = {address}, OutletName = {name}, ActiveDepot = x.ActiveDepot
FROM dbo.Outlets o JOIN @best b ON o.OutletCode = b.OutletCode JOIN {rows} x ON x.OutletKey = b.OutletKey;
INSERT INTO dbo.Outlets (OutletCode, IPAddress, OutletName, ActiveDepot)
SELECT b.OutletCode, {address}, {name}, x.ActiveDepot FROM @best b JOIN {rows} x ON x.OutletKey = b.OutletKey
WHERE NOT EXISTS (SELECT 1 FROM dbo.Outlets o WHERE o.OutletCode = b.OutletCode);

DELETE m FROM dbo.MonitorOutlet m JOIN @best b ON m.OutletKey = b.OutletKey;
INSERT INTO dbo.MonitorOutlet (OutletKey, OutletCode, OutletGroup, PausedUntil, MaxAgeSeconds, Source, Seq)
SELECT x.OutletKey, x.OutletCode, x.OutletGroup, x.PausedUntil, x.MaxAgeSeconds, x.Source, x.Seq
FROM @best b JOIN {rows} x ON x.OutletKey = b.OutletKey;`

const sqlUnlessNewer = "\nWHERE m.OutletKey IS NULL OR m.Seq < x.Seq"

// outlets writes the newest registration of each outlet.
func (w writing) outlets(ctx context.Context, outlets []store.Outlet, unless string) error {
	newest := map[string]store.Outlet{}
	for _, o := range outlets {
		o = o.Normal()
		if n, ok := newest[events.Key(o.Code)]; !ok || o.Seq > n.Seq {
			newest[events.Key(o.Code)] = o
		}
	}
	if len(newest) == 0 {
		return nil
	}
	rows := make([][]any, 0, len(newest))
	for key, o := range newest {
		rows = append(rows, []any{
			key, o.Code, o.Address, o.Name, flag(o.Active), orNull(o.Group), formatTime(o.PausedUntil, ourTime), integer(o.MaxAgeSeconds),
			o.Source, int64(o.Seq),
		})
	}
	return w.use(ctx, outletTable(), rows, w.layout.register(unless))
}

// register is sqlRegister for this database.
func (l *layout) register(unless string) string {
	const name = "dbo.Outlets"
	return fill(sqlRegister, "unless", unless, "coll", l.collation(name, "OutletCode"), "key", l.keyType(name, "OutletCode"),
		"code", l.joined(name, "OutletCode", "x.OutletCode"), "respelled", l.differ(name, "OutletCode", "b.Spelled", "b.OutletCode"),
		"another", l.differ(name, "OutletCode", "o.OutletCode", "b.Spelled"), "address", l.cut(name, "IPAddress", "x.IPAddress"),
		"name", l.cut(name, "OutletName", "x.OutletName"))
}

const sqlActive = `SELECT o.OutletCode, o.IPAddress, o.OutletName, o.ActiveDepot, r.OutletGroup, r.PausedUntil, r.MaxAgeSeconds,
	r.Source, COALESCE(r.Seq, 0)
	FROM dbo.Outlets o LEFT JOIN dbo.MonitorOutlet r ON r.OutletCode = o.OutletCode COLLATE {bin}
	WHERE o.ActiveDepot IN ('Y', 'y') ORDER BY COALESCE(r.OutletKey, UPPER(o.OutletCode) COLLATE {bin}), o.OutletCode`

// ActiveOutlets lists the outlets with ActiveDepot Y, by code.
func (s *Store) ActiveOutlets(ctx context.Context) (found []store.Outlet, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("list the active outlets: %w", explain(err))
		}
	}()
	return read(ctx, s, scanOutlet, fill(sqlActive))
}

func scanOutlet(rows *sql.Rows) (o store.Outlet, err error) {
	var address, name, active, group, source sql.NullString
	var paused sql.NullTime
	var age sql.NullInt64
	err = rows.Scan(&o.Code, &address, &name, &active, &group, &paused, &age, &source, &o.Seq)
	o.Address, o.Name, o.Group, o.Source = address.String, name.String, group.String, source.String
	o.Active, o.PausedUntil, o.MaxAgeSeconds = isFlag(active), readTime(paused, time.Microsecond), readInt(age)
	return o, err
}
