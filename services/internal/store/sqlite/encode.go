package sqlite

import (
	"database/sql"
	"fmt"
	"strings"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// Times are text in UTC. Ours have a fixed width, so that they sort; the
// original system's columns have SQLite's own form, see sqlite.org/lang_datefunc.html.
const (
	ourTime      = "2006-01-02T15:04:05.000000Z"
	originalTime = "2006-01-02 15:04:05"
)

func formatTime(t *time.Time, layout string) any {
	if t == nil {
		return nil
	}
	return t.UTC().Format(layout)
}

// parseTime understands our forms and what other programs are likely to have
// written; anything else, as N/A, is no time.
func parseTime(s sql.NullString) *time.Time {
	if !s.Valid {
		return nil
	}
	text := strings.TrimSpace(s.String)
	for _, layout := range []string{originalTime, ourTime, time.RFC3339Nano, "2006-01-02T15:04:05", time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			t = t.UTC()
			return &t
		}
	}
	return nil
}

// orNull stores the empty text as NULL.
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func readText(s sql.NullString) string { return store.ReadText(s.String) }

func readInt(n sql.NullInt64) *int64 {
	if !n.Valid {
		return nil
	}
	return &n.Int64
}

func readFloat(n sql.NullFloat64) *float64 {
	if !n.Valid {
		return nil
	}
	return &n.Float64
}

func flag(yes bool) string {
	if yes {
		return "Y"
	}
	return "N"
}

func isFlag(s sql.NullString) bool { return strings.EqualFold(strings.TrimSpace(s.String), "Y") }

// table is the stat table of a mode.
func table(m events.Mode) (string, error) {
	switch m {
	case events.DDrive:
		return "D_Drive_Backup_Stat", nil
	case events.IBStorage:
		return "IB_Storage_Backup_Stat", nil
	}
	return "", fmt.Errorf("%q is not a mode", m)
}
