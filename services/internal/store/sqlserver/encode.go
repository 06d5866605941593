package sqlserver

import (
	"database/sql"
	"fmt"
	"strings"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// Times go to the server as text in the one form that no language setting of a
// login changes. Source: Transact-SQL reference, "CAST and CONVERT", style 126.
const (
	ourTime      = "2006-01-02T15:04:05.000000"
	originalTime = "2006-01-02T15:04:05"
)

// NULLs have the type of their column: one without is not taken by every
// server.

func formatTime(t *time.Time, layout string) sql.NullString {
	if t == nil {
		return sql.NullString{}
	}
	return sql.NullString{String: t.UTC().Format(layout), Valid: true}
}

// orNull stores the empty text as NULL.
func orNull(s string) sql.NullString { return sql.NullString{String: s, Valid: s != ""} }

func integer(n *int64) sql.NullInt64 {
	if n == nil {
		return sql.NullInt64{}
	}
	return sql.NullInt64{Int64: *n, Valid: true}
}

func float(f *float64) sql.NullFloat64 {
	if f == nil {
		return sql.NullFloat64{}
	}
	return sql.NullFloat64{Float64: *f, Valid: true}
}

func readTime(t sql.NullTime, precision time.Duration) *time.Time {
	if !t.Valid {
		return nil
	}
	u := t.Time.UTC().Truncate(precision)
	return &u
}

// day reads a date, "" for NULL. The server is not asked to write it: that costs
// more than the rest of a row.
type day struct{ into *events.Date }

// Scan implements sql.Scanner.
func (d day) Scan(value any) error {
	switch v := value.(type) {
	case nil:
		*d.into = ""
	case time.Time:
		*d.into = events.Date(v.Format(time.DateOnly))
	default:
		return fmt.Errorf("%v (%T) is not a date", value, value)
	}
	return nil
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
