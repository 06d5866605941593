package store

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"time"

	"backupmonitor/events"
)

// ErrStaged says that another rebuild of the same tables is at work.
var ErrStaged = errors.New("the tables are being rebuilt or checked already: wait until that has ended")

// Tables are the tables that a fold of the log makes, in one database at one
// moment, to be compared row for row with those in another. Texts and words
// are those of the columns: N/A is not read as none, nor Error as Failed.
type Tables interface {
	// Checkpoint is the zero value before the first batch.
	Checkpoint(ctx context.Context) (Checkpoint, error)
	// ScanDates lists the dates that have rows in a mode, oldest first, as the
	// column has them.
	ScanDates(ctx context.Context, m events.Mode) ([]events.Date, error)
	// DayRows are the rows of a mode and date, in any order, each with what
	// stands beside it. EventID is "" where nothing does.
	DayRows(ctx context.Context, m events.Mode, d events.Date) ([]Look, error)
	// Lines are the n lines of history, of both modes, that follow a sequence,
	// in the order of the log.
	Lines(ctx context.Context, after uint64, n int) ([]Look, error)
	// Registrations are all outlets, in any order. Source is "" where nothing
	// stands beside the row.
	Registrations(ctx context.Context) ([]Outlet, error)
	// QuarantinedAfter are the n quarantined events that follow a sequence, in
	// the order of the log.
	QuarantinedAfter(ctx context.Context, after uint64, n int) ([]Quarantined, error)
}

// Staging is a place beside the tables in which the log is folded anew: empty
// at first, gone when it is closed. After an error of Apply it is of no more
// use.
type Staging interface {
	Tables
	Apply(ctx context.Context, b Batch) error
	Close() error
}

// Repairs are what is put right. Every row is made to be exactly as given,
// whatever stands there; what is not named stays as it is.
type Repairs struct {
	Rows        []Look // days' rows, with what stands beside them
	Lines       []Look // of history; another line of the same event goes
	Outlets     []Outlet
	Quarantined []Quarantined
	Released    []uint64 // sequences that leave the quarantine
}

// Plan puts the repairs of tables that nobody else writes meanwhile.
type Plan func(ctx context.Context, t Tables, put func(Repairs) error) error

// Stager makes places to fold the log in.
type Stager interface {
	// Stage makes a staging. Errors: ErrStaged.
	Stage(ctx context.Context) (Staging, error)
	// Unstage removes what a process that was killed has left of a staging.
	// Only who knows that none is at work may call it.
	Unstage(ctx context.Context) error
}

// Rebuilder is a back end whose tables can be compared with a fold of the log,
// and put right.
type Rebuilder interface {
	Stager
	Checkpoint(ctx context.Context) (Checkpoint, error)
	// View runs f on the tables as they are at one moment. The projector may go
	// on meanwhile.
	View(ctx context.Context, f func(context.Context, Tables) error) error
	// Repair locks the checkpoint, so that no batch is applied meanwhile, and
	// asks plan for the repairs that are right as of the tables, any number of
	// them; all happen in that one transaction, or none. The checkpoint stays.
	// Errors: ErrUnstorable.
	Repair(ctx context.Context, plan Plan) error
}

// Alone is the look as the original system's table has it, without what stands
// beside the row.
func (l *Look) Alone() Look {
	return Look{
		Mode: l.Mode, Outlet: l.Outlet, ScanDate: l.ScanDate, Status: l.Status, LastBackupTaken: l.LastBackupTaken, BackupFile: l.BackupFile,
		BackupFileSize: l.BackupFileSize, Duration: l.Duration, ErrorDetails: l.ErrorDetails, DriveLetter: l.DriveLetter,
	}
}

// DayRows collects a day's rows with what stands beside each. The zero value has
// none.
type DayRows struct {
	at    map[string]int // where a row's spelling is in found
	found []Look
}

// Add adds a row beside which a look of the outlet of that key stands. Another
// outlet's is as good as nothing, and a row that came already stays unless it
// had nothing.
func (r *DayRows) Add(l Look, key string) {
	if key != events.Key(l.Outlet) {
		l = l.Alone()
	}
	if r.at == nil {
		r.at = map[string]int{}
	}
	switch i, again := r.at[l.Outlet]; {
	case !again:
		r.at[l.Outlet] = len(r.found)
		r.found = append(r.found, l)
	case r.found[i].EventID == "":
		r.found[i] = l
	}
}

// Looks are the rows, in the order in which they came.
func (r *DayRows) Looks() []Look { return r.found }

// Encode appends all that the look says in a form that is the same for equal
// looks alone, whatever database they were read from.
func (l *Look) Encode(b []byte) []byte {
	b = encodeTexts(b, l.EventID, string(l.Mode), l.Outlet, string(l.ScanDate), string(l.Status), string(l.Cause), l.BackupFile,
		l.BackupFileSize, l.Duration, l.ErrorDetails, l.DriveLetter, l.Server, l.ScanID)
	b = binary.AppendUvarint(b, l.Seq)
	b = binary.AppendVarint(b, int64(l.Evidence))
	b = encodeFlag(b, l.Conclusive)
	b = encodeTime(encodeTime(encodeTime(b, &l.Stored), l.LastBackupTaken), l.ObservedAt)
	b = encodeFloat(encodeFloat(b, &l.DurationMS), l.ClockSkewMS)
	return encodeInt(encodeInt(encodeInt(b, l.SizeBytes), l.FreeBytes), l.TotalBytes)
}

// Encode appends all that the outlet says, as Look.Encode does.
func (o *Outlet) Encode(b []byte) []byte {
	b = encodeTexts(b, o.Code, o.Address, o.Name, o.Group, o.Source)
	b = encodeFlag(binary.AppendUvarint(b, o.Seq), o.Active)
	return encodeInt(encodeTime(b, o.PausedUntil), o.MaxAgeSeconds)
}

// Encode appends all that the log says of the event, as Look.Encode does: not
// the reason, whose words may be another version's.
func (q *Quarantined) Encode(b []byte) []byte {
	b = encodeTexts(b, q.Subject, q.Type, string(q.Header), string(q.Data))
	return encodeTime(binary.AppendUvarint(b, q.Seq), &q.Stored)
}

func encodeTexts(b []byte, texts ...string) []byte {
	for _, s := range texts {
		b = append(binary.AppendUvarint(b, uint64(len(s))), s...)
	}
	return b
}

func encodeFlag(b []byte, is bool) []byte {
	if is {
		return append(b, 1)
	}
	return append(b, 0)
}

// encodeTime writes millionth seconds, the finest that any column keeps.
func encodeTime(b []byte, t *time.Time) []byte {
	if t == nil || t.IsZero() {
		return append(b, 0)
	}
	return binary.AppendVarint(append(b, 1), t.UnixMicro())
}

func encodeFloat(b []byte, f *float64) []byte {
	if f == nil {
		return append(b, 0)
	}
	return binary.AppendUvarint(append(b, 1), math.Float64bits(*f))
}

func encodeInt(b []byte, n *int64) []byte {
	if n == nil {
		return append(b, 0)
	}
	return binary.AppendVarint(append(b, 1), *n)
}
