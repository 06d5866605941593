// Package restore makes a data directory from a backup, and rehearses that for
// archives. Sequences, times and contents of the events are exactly those of
// the log that was copied, since tables and positions rest on them; only the
// log's identity is new, because what follows in it is.
package restore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/cmd/backup-monitor/instance"
	"backupmonitor/services/internal/logfile"
)

// secretPrefix stands before the names of the data directory's secrets.
const secretPrefix = "secret-"

// ErrNoRoom says that a log does not fit into its maximum size.
var ErrNoRoom = errors.New("the restored log is larger than EVENTS_MAX_BYTES: set it higher")

// room is what must be left in a restored log, so that it can be written on.
const room = 1 << 20

// Options of Into.
type Options struct {
	Backup  string // directory of the backup
	DataDir string // to be filled; it must be empty or not there
	Limits  events.Limits
	By      string // who does it
	// Database gets the users, the API tokens and the outbox; nil: one in
	// DataDir that is made for them.
	Database Database
	Logger   *slog.Logger
	Progress func(step logfile.Step, done, total uint64)
}

// Result is what was restored.
type Result struct {
	Manifest logfile.Manifest
	Users    int
	Tokens   int
	Waiting  int // audit events that were not in the log yet
	// Unreadable are those of Waiting that no version so far can read.
	Unreadable int
	HasUsers   bool // the backup holds users, tokens and outbox at all
	// Kept says that Options.Database has users or tokens of its own: they
	// stay, and those of the backup were not restored.
	Kept bool
	// LeftOut says what was left out when the backup was made, and what of it no
	// database can hold, a sentence each.
	LeftOut []string
}

// Into restores a backup into an empty data directory. It first reads all of
// the backup, and at last all of what was restored, and compares digests. It
// may be interrupted anywhere: the directory is then empty, or cannot be used
// until the restore was repeated. Errors: logfile's, instance.ErrInUse,
// instance.ErrNotEmpty, ErrNoRoom.
func Into(ctx context.Context, o Options) (_ Result, err error) {
	if o.Database != nil {
		if err := o.Database.Migrate(ctx); err != nil {
			return Result{}, err // before the long work
		}
	}
	m, err := logfile.Verify(ctx, o.Backup, o.say(logfile.Verifying))
	if err != nil {
		return Result{}, err
	}
	if m.First != 1 {
		return Result{}, fmt.Errorf("%s is an archive of events %d to %d: restore a backup", o.Backup, m.First, m.Last)
	}
	if err := apart(o.Backup, o.DataDir); err != nil {
		return Result{}, err
	}
	dir, err := instance.OpenEmpty(o.DataDir)
	if err != nil {
		return Result{}, err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	result := Result{Manifest: m}
	if err := o.prepare(ctx, dir.Prepared(), &result); err != nil {
		return Result{}, errors.Join(err, dir.Discard())
	}
	return result, dir.Finish()
}

// apart refuses a backup that lies in the directory that is to be filled: what
// stands there is the restore's to make.
func apart(backup, dataDir string) error {
	rel, err := filepath.Rel(real(dataDir), real(backup))
	if err == nil && filepath.IsLocal(rel) {
		return fmt.Errorf("%s lies in the data directory %s: move it to another place, and restore it from there", backup, dataDir)
	}
	return nil
}

// real is where a path leads, as far as it is there.
func real(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if at, err := filepath.EvalSymlinks(path); err == nil {
		return at
	}
	return path
}

func (o Options) say(s logfile.Step) func(done, total uint64) {
	return func(done, total uint64) {
		if o.Progress != nil {
			o.Progress(s, done, total)
		}
	}
}

func (o Options) prepare(ctx context.Context, dir *instance.Dir, result *Result) (err error) {
	backup, err := logfile.Open(o.Backup)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, backup.Close()) }()
	if err := load(ctx, dir.Path(), backup, o.Limits, o.Logger, o.say(logfile.Restoring)); err != nil {
		return err
	}
	access, has, err := accessOf(backup)
	if err != nil {
		return err
	}
	inBackup := len(access.LeftOut)
	access.strip()
	err = onLog(dir.Path(), o.Logger, func(log *events.Log) error {
		access.Outbox, err = undelivered(ctx, log, access.Outbox)
		return errors.Join(err, o.finishLog(ctx, log, backup.Manifest))
	})
	if err != nil {
		return err
	}
	if result.Kept, err = o.access(ctx, dir.Database(), &access, has); err != nil {
		return err
	}
	result.HasUsers = has
	result.count(access, inBackup)
	for _, a := range backup.Manifest.Attachments {
		name, ok := strings.CutPrefix(a.Name, secretPrefix)
		if !ok {
			continue
		}
		if !slices.Contains(instance.SecretNames(), name) { // it would be another file of the data directory
			return fmt.Errorf("%w: it has a secret named %q, as no backup of this program has", logfile.ErrDamaged, name)
		}
		b, err := backup.Attachment(a.Name)
		if err != nil {
			return err
		}
		if err := dir.Keep(name, string(b)); err != nil {
			return err
		}
	}
	return nil
}

// count says what became of users, tokens and outbox, of which the first inBackup
// that were left out are not in the backup.
func (r *Result) count(a Access, inBackup int) {
	r.Users, r.Tokens, r.Waiting = len(a.Users), len(a.Tokens), len(a.Outbox)
	for _, w := range a.Outbox {
		if w.note().Unreadable != nil {
			r.Unreadable++
		}
	}
	for i, l := range a.LeftOut {
		what := "Not in the backup"
		if i >= inBackup {
			what = "Left out"
		}
		r.LeftOut = append(r.LeftOut, fmt.Sprintf("%s: %s.", what, l))
	}
}

// finishLog checks that the log can be written on, and notes in it what it was
// restored from.
func (o Options) finishLog(ctx context.Context, log *events.Log, m logfile.Manifest) error {
	id, err := log.Identity(ctx)
	if err != nil {
		return err
	}
	if id.LastSeq != m.Last || id.Messages != m.Records || id.Missing != 0 {
		return fmt.Errorf("%w: the restored log has %d events up to %d, the backup %d up to %d", logfile.ErrDamaged, id.Messages, id.LastSeq, m.Records, m.Last)
	}
	if id.MaxBytes-int64(id.Bytes) < room {
		return fmt.Errorf("%w: it has %d bytes", ErrNoRoom, id.Bytes)
	}
	state, _, err := log.Restored(ctx)
	if err != nil {
		return err
	}
	now := time.Now().UTC()
	state.Incarnations = append(state.Incarnations, events.Incarnation{Log: m.Log, Last: m.Last, RestoredAt: now})
	state.Backup, state.Digest, state.ChangedBy, state.ChangedAt = filepath.Base(o.Backup), m.Digest, o.By, now
	_, _, err = log.Append(ctx, state)
	return err
}
