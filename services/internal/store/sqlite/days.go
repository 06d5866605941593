package sqlite

import (
	"fmt"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// recounted is how many days, at most, a batch counts that it left alone itself.
const recounted = 8

// The texts that keep MonitorDay. %s is a stat table. A day of the batch is to
// be counted anew, and one that has been left alone since is counted. The newest
// never is: looks still come in, and whoever asks counts its rows anyway. LastSeq
// is for store.KeptDay: NULL where a row is not as the history has it, as one from
// before the log, or that another program has changed.
const (
	sqlTouch = `INSERT INTO MonitorDay (Mode, ScanDate, Total, Successful, NotObserved, Counted) VALUES (?, ?, 0, 0, 0, 0)
		ON CONFLICT (Mode, ScanDate) DO UPDATE SET Counted = 0`
	sqlUncounted = `SELECT CAST(ScanDate AS TEXT) FROM MonitorDay WHERE Mode = ? AND Counted = 0
		AND ScanDate < (SELECT MAX(ScanDate) FROM MonitorDay WHERE Mode = ?) ORDER BY ScanDate LIMIT ?`
	sqlCountDay = `UPDATE MonitorDay SET Counted = 1, (Total, Successful, NotObserved, LastSeq) = (
		SELECT COUNT(*), COALESCE(SUM(s.Status = 'Successful' COLLATE NOCASE), 0), COALESCE(SUM(m.Evidence = 0), 0),
			CASE WHEN COUNT(*) = COUNT(h.Seq) THEN MAX(h.Seq) END FROM %s s
		LEFT JOIN MonitorStat m INDEXED BY MonitorStat_ByRow ON m.Mode = ? AND m.OutletServer = s.OutletServer AND m.ScanDate = s.ScanDate
		LEFT JOIN MonitorHistory h ON h.Seq = m.Seq AND h.EventID = m.EventID AND h.Evidence = m.Evidence AND h.Status = s.Status COLLATE NOCASE
		WHERE s.ScanDate = ?) WHERE Mode = ? AND ScanDate = ?`
)

// markedDays are scan dates of each mode.
type markedDays map[events.Mode]map[events.Date]bool

// touch marks a day, whose rows have changed, as to be counted anew.
func (w *writing) touch(marked markedDays, m events.Mode, d events.Date) error {
	if marked[m][d] {
		return nil
	}
	if marked[m] == nil {
		marked[m] = map[events.Date]bool{}
	}
	marked[m][d] = true
	if _, err := w.exec(w.of.touch, m, d); err != nil {
		return fmt.Errorf("mark %s: %w", d, err)
	}
	return nil
}

// days marks the days of the batch, and counts some that it left alone.
func (w *writing) days(best map[day]store.Look) error {
	touched := markedDays{}
	for d := range best {
		if err := w.touch(touched, d.mode, d.date); err != nil {
			return err
		}
	}
	for mode, dates := range touched {
		left, err := w.uncounted(mode, recounted+len(dates))
		if err != nil {
			return fmt.Errorf("find the days to count: %w", err)
		}
		n := 0
		for _, date := range left {
			if dates[date] || n == recounted {
				continue
			}
			n++
			if _, err := w.exec(w.of.countDay[mode], mode, date, mode, date); err != nil {
				return fmt.Errorf("count the rows of %s: %w", date, err)
			}
		}
	}
	return nil
}

func (w *writing) uncounted(m events.Mode, limit int) (dates []events.Date, err error) {
	rows, err := w.stmt(w.of.uncounted).QueryContext(w.ctx, m, m, limit) //nolint:sqlclosecheck // the end of the transaction closes its statements
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var d events.Date
		if err := rows.Scan(&d); err != nil {
			return nil, err
		}
		dates = append(dates, d)
	}
	return dates, rows.Err()
}
