// Package store names what the projector writes and the gateway reads: the
// tables of the original system, and ours beside them. The back ends are its
// sub-packages; storetest is the suite that each must pass. Whoever uses a
// store declares the part of Backend it needs.
//
// Times are UTC. LastBackupTaken and LoginActiveTime have whole seconds, ours
// millionth ones.
//
// Outlet codes and user ids are unique ignoring case, as events.Key sees it;
// the tables keep the spelling: of the look that the row rests on, of the
// newest registration, of the user as it was made.
package store

import (
	"context"
	"errors"
	"time"

	"backupmonitor/events"
)

// Errors that every back end returns, wrapped.
var (
	// ErrFenced says that the checkpoint is not where the caller left it:
	// another projector has written. Nothing of the batch was applied.
	ErrFenced = errors.New("the checkpoint was moved by another projector")
	// ErrNotFound says that there is no such row.
	ErrNotFound = errors.New("not found")
	// ErrExists says that the row is there already.
	ErrExists = errors.New("exists already")
	// ErrUnstorable says that a column takes no value of a batch: to try again
	// does not help, and everything behind it waits.
	ErrUnstorable = errors.New("a column does not take a value")
	// ErrRefused says that the database refuses us, because of the sign-in or
	// of a permission, or that a table that was there before cannot be used: to
	// try again does not help, and may lock the account.
	ErrRefused = errors.New("the database refuses us, and an operator must act")
)

// Look is what one event said about an outlet, a mode and a scan date: a row
// of history, and of the stat table as far as it is the maximum by (Evidence,
// Seq).
type Look struct {
	EventID    string // ce-id; a look whose id is known is ignored
	Seq        uint64 // of the event in the log
	Stored     time.Time
	Mode       events.Mode
	Outlet     string // OutletServer: the outlet's code as spelled in the event
	ScanDate   events.Date
	Status     events.Status
	Cause      events.Cause // "" for an imported row
	Conclusive bool
	Evidence   events.Evidence

	LastBackupTaken *time.Time
	BackupFile      string
	BackupFileSize  string // as 2.45 GB
	Duration        string // as 1.25 s
	ErrorDetails    string
	DriveLetter     string // IB_Storage only

	// Ours.
	Server      string
	SizeBytes   *int64
	ObservedAt  *time.Time // when the look began
	DurationMS  float64
	ClockSkewMS *float64 // server minus ours; nil where the server sent no clock
	FreeBytes   *int64   // on the drive that decided
	TotalBytes  *int64
	ScanID      string
}

// Row is a row of a stat table with what stands beside it. Server is the
// address that was looked at; only where the row tells none, as one from before
// the log, that of the outlet's registration. OutletName is the registration's.
type Row struct {
	Look
	OutletName string
}

// Outlet is a row of the table Outlets with what stands beside it.
type Outlet struct {
	Code          string
	Address       string
	Name          string
	Group         string
	Active        bool
	PausedUntil   *time.Time
	MaxAgeSeconds *int64
	Source        string
	Seq           uint64 // of the OutletChanged; an older one never overwrites
}

// Quarantined is an event that could not be decoded, or not be stored.
type Quarantined struct {
	Seq     uint64
	Subject string
	Type    string // ce-type
	Stored  time.Time
	Reason  string // for people; see Unstorable
	Header  []byte // JSON
	Data    []byte
}

// Checkpoint is how far the tables reach into which log.
type Checkpoint struct {
	Stream string // events.Identity.ID; "" before the first batch
	Seq    uint64
}

// Batch is applied in one transaction, whole or not at all.
type Batch struct {
	// Old must be the checkpoint in the database, else ErrFenced; New
	// replaces it.
	Old, New Checkpoint
	// Succeeds says that the log of New was restored from that of Old and has
	// all that the tables have; without it the log must be the same.
	Succeeds    bool
	Looks       []Look
	Outlets     []Outlet
	Quarantined []Quarantined
	// Released are sequences that leave the quarantine.
	Released []uint64
}

// Query selects rows of one stat table. Zero fields do not select.
type Query struct {
	Mode     events.Mode
	Outlet   string // code, ignoring case
	From, To events.Date
	Status   events.Status
	Cause    events.Cause
	Limit    int // 0: all
	Offset   int
	// AsOf, where set, selects the rows as they were known at that sequence of
	// the log: those of nobody's but the log's. Names and addresses of the
	// registration are today's.
	AsOf *uint64
	// Turns, where set, are taken for the reading of each part of a list, and
	// given back before the part is handed on.
	Turns Turns
}

// Turns bound how much is read at once.
type Turns interface {
	// Take waits for a turn. Whoever has one gives it back. Its errors end the
	// reading and are returned, wrapped.
	Take(ctx context.Context) (back func(), err error)
}

// InTurn reads when it is the query's turn.
func (q Query) InTurn(ctx context.Context, read func() error) error {
	if q.Turns == nil {
		return read()
	}
	back, err := q.Turns.Take(ctx)
	if err != nil {
		return err
	}
	defer back()
	return read()
}

// DaySummary counts the rows of a scan date. Failed includes NotObserved, the
// rows of evidence 0.
type DaySummary struct {
	ScanDate    events.Date
	Total       int
	Successful  int
	Failed      int
	NotObserved int
}

// User is a row of UserManager.
type User struct {
	ID                string
	Name              string
	Designation       string
	Type              string // A Admin, S Support
	PasswordHash      string // bcrypt
	Active            bool   // Status Y or N
	Avatar            string
	LoginFalseAttempt int
	LoginActiveTime   *time.Time

	// SessionEpoch is ours: the sessions of another one have ended. "" is the
	// first.
	SessionEpoch string
}

// Backend is all that a store does. Every method may also fail with the
// driver's errors, wrapped, and returns when ctx ends.
type Backend interface {
	// Migrate brings the database to this version: tables used as they are,
	// missing ones made. Several processes may call it at once.
	Migrate(ctx context.Context) error
	// Checkpoint is the zero value before the first batch.
	Checkpoint(ctx context.Context) (Checkpoint, error)
	// Apply applies b in one transaction. Errors: ErrFenced, ErrUnstorable.
	// After any other error it is not known whether b was applied: the
	// checkpoint tells.
	Apply(ctx context.Context, b Batch) error

	// LatestScanDate is the latest scan date not after last; "" without one. A row
	// may be of any day: what is seen in one's own time is the caller's to say.
	LatestScanDate(ctx context.Context, m events.Mode, last events.Date) (events.Date, error)
	// LatestScanDateAsOf is the latest scan date not after last that was known
	// at a sequence; "" without one.
	LatestScanDateAsOf(ctx context.Context, m events.Mode, seq uint64, last events.Date) (events.Date, error)
	// SequenceAt is the sequence of the last look that the log had stored by t,
	// 0 without one.
	SequenceAt(ctx context.Context, t time.Time) (uint64, error)
	// Rows hands the selected rows to each, newest scan date first, then by
	// outlet ignoring case; each's error ends it and is returned. While each
	// runs it holds nothing of the database, so that a slow reader hinders
	// nobody; in return a list of many thousand rows is read in several parts
	// that may be of different moments.
	Rows(ctx context.Context, q Query, each func(Row) error) error
	// Summary counts rows by scan date, newest first. Of the query it uses
	// Mode, Outlet, From, To, Limit and AsOf, and with AsOf the Turns: of now the
	// counts are kept, and those of years are read in some milliseconds.
	Summary(ctx context.Context, q Query) ([]DaySummary, error)
	// ActiveOutlets lists the outlets with ActiveDepot Y, by code.
	ActiveOutlets(ctx context.Context) ([]Outlet, error)

	// History hands the looks behind the rows to each, in the order of the
	// log. Of the query it uses Mode, Outlet, From and To.
	History(ctx context.Context, q Query, each func(Look) error) error
	// Quarantine lists the newest quarantined events up to one, newest first, without
	// Header and Data, a megabyte of which any prober can have put there; limit 0 is all.
	Quarantine(ctx context.Context, upTo uint64, limit int) ([]Quarantined, error)
	// QuarantinedSeqs are the sequences of the newest quarantined events up to one,
	// newest first, at most limit.
	QuarantinedSeqs(ctx context.Context, upTo uint64, limit int) ([]uint64, error)

	Access

	// Exclusive runs f while nobody else migrates the database or is in
	// Exclusive. It waits for whoever is, and returns f's error.
	Exclusive(ctx context.Context, f func(context.Context) error) error
	// EarlierOutlets lists the table Outlets. This and the next two read the
	// original system's tables alone: Migrate need not have run, and where a
	// table is missing there is nothing.
	EarlierOutlets(ctx context.Context) ([]EarlierOutlet, error)
	// EarlierDays lists the scan dates of a mode, oldest first. Rows that an
	// event of a log stands behind count neither here nor below.
	EarlierDays(ctx context.Context, m events.Mode) ([]EarlierDay, error)
	// EarlierRows lists the rows of a mode from one scan date to another, or from
	// "" to "" those of no day.
	EarlierRows(ctx context.Context, m events.Mode, from, to events.Date) ([]EarlierRow, error)

	// Ping tells whether the database answers and has this version's tables.
	Ping(ctx context.Context) error
	Close() error
}
