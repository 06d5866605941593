package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"backupmonitor/services/internal/store"
)

const sqlActive = `SELECT o.OutletCode, o.IPAddress, o.OutletName, o.ActiveDepot, r.OutletGroup, r.PausedUntil, r.MaxAgeSeconds,
	r.Source, COALESCE(r.Seq, 0)
	FROM Outlets o LEFT JOIN MonitorOutlet r ON r.OutletCode = o.OutletCode
	WHERE o.ActiveDepot = 'Y' COLLATE NOCASE ORDER BY o.OutletCode COLLATE NOCASE, o.OutletCode`

// ActiveOutlets lists the outlets with ActiveDepot Y, by code.
func (s *Store) ActiveOutlets(ctx context.Context) ([]store.Outlet, error) {
	found, err := collect(ctx, s.reader, scanOutlet, sqlActive)
	if err != nil {
		return nil, fmt.Errorf("list the active outlets: %w", err)
	}
	return found, nil
}

func scanOutlet(rows *sql.Rows) (store.Outlet, error) {
	var o store.Outlet
	var address, name, active, group, paused, source sql.NullString
	var age sql.NullInt64
	err := rows.Scan(&o.Code, &address, &name, &active, &group, &paused, &age, &source, &o.Seq)
	o.Address, o.Name, o.Group, o.Source = address.String, name.String, group.String, source.String
	o.Active, o.PausedUntil, o.MaxAgeSeconds = isFlag(active), parseTime(paused), readInt(age)
	return o, err
}
