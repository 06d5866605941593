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

// Quarantined is an event that could not be decoded.
type Quarantined struct {
	Seq     uint64
	Subject string
	Type    string // ce-type
	Stored  time.Time
	Reason  string
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
}

// Backend is all that a store does. Every method may also fail with the
// driver's errors, wrapped, and returns when ctx ends.
type Backend interface {
	// Migrate brings the database to this version: tables used as they are,
	// missing ones made. Several processes may call it at once.
	Migrate(ctx context.Context) error
	// Checkpoint is the zero value before the first batch.
	Checkpoint(ctx context.Context) (Checkpoint, error)
	// Apply applies b in one transaction. Errors: ErrFenced. After any other
	// error it is not known whether b was applied: the checkpoint tells.
	Apply(ctx context.Context, b Batch) error

	// LatestScanDate is "" when the table of the mode is empty.
	LatestScanDate(ctx context.Context, m events.Mode) (events.Date, error)
	// Rows hands the selected rows to each, newest scan date first, then by
	// outlet ignoring case; each's error ends it and is returned. While each
	// runs it holds nothing of the database, so that a slow reader hinders
	// nobody; in return a list of many thousand rows is read in several parts
	// that may be of different moments.
	Rows(ctx context.Context, q Query, each func(Row) error) error
	// Summary counts rows by scan date, newest first. Of the query it uses
	// Mode, Outlet, From, To and Limit.
	Summary(ctx context.Context, q Query) ([]DaySummary, error)
	// ActiveOutlets lists the outlets with ActiveDepot Y, by code.
	ActiveOutlets(ctx context.Context) ([]Outlet, error)

	// History hands the looks behind the rows to each, in the order of the
	// log. Of the query it uses Mode, Outlet, From and To.
	History(ctx context.Context, q Query, each func(Look) error) error
	// Quarantine lists the newest quarantined events, newest first; limit 0 is
	// all.
	Quarantine(ctx context.Context, limit int) ([]Quarantined, error)

	// User finds a user, ignoring the case of the id. Errors: ErrNotFound.
	User(ctx context.Context, id string) (User, error)
	// Users lists all users, by id.
	Users(ctx context.Context) ([]User, error)
	// CountUsers counts all users, active or not.
	CountUsers(ctx context.Context) (int, error)
	// AddUser makes a user, who must pass Check. Errors: ErrExists.
	AddUser(ctx context.Context, u User) error
	// SignInFailed adds one to LoginFalseAttempt and returns the new count,
	// exact under parallel calls. Errors: ErrNotFound.
	SignInFailed(ctx context.Context, id string) (int, error)
	// SignedIn sets LoginFalseAttempt to 0 and LoginActiveTime to at, unless
	// the count has reached lockAt meanwhile: then it changes nothing and
	// returns false. Errors: ErrNotFound.
	SignedIn(ctx context.Context, id string, at time.Time, lockAt int) (bool, error)

	// Ping tells whether the database answers.
	Ping(ctx context.Context) error
	Close() error
}
