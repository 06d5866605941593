package logfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"backupmonitor/events"
)

// MinArchiveAge is how old events must be to be archived. It is well over
// events.DedupWindow, so that nothing that is still at work misses them.
const MinArchiveAge = 7 * 24 * time.Hour

// ErrNothing says that there is nothing to archive.
var ErrNothing = errors.New("there is nothing to archive")

const (
	// purgeStep is how many sequences one request to purge covers: the log is
	// locked meanwhile.
	purgeStep    = 50_000
	purgeTimeout = time.Minute
)

// Archiver takes the oldest looks and scans out of the log, into files.
type Archiver struct {
	Log *events.Log
	// Keeper reaches the log with the right to purge it, which services do not
	// have.
	Keeper  jetstream.JetStream
	Dir     string // of all archives
	Product string // version of the program
	By      string // who does it
	// Tables is how far the tables reach; what they have not read yet stays.
	Tables func(ctx context.Context) (uint64, error)
	// Rehearse restores a copy somewhere else and compares what comes out.
	Rehearse func(ctx context.Context, dir string, progress func(done, total uint64)) error
	// Space measures what the files of the log take, and what is free in Dir;
	// nil: there is enough.
	Space func() (log int64, free uint64, err error)
	// Progress, where set, is told now and then what has been done.
	Progress func(step Step, done, total uint64)
	Now      func() time.Time
}

// Plan is what Archive would do.
type Plan struct {
	First   uint64 `json:"first"` // sequences to be copied
	Last    uint64 `json:"last"`
	Records uint64 `json:"records"`
	// Unfinished is set where an earlier purge did not come to its end: that is
	// done first, and is all that is done.
	Unfinished *events.Archive `json:"unfinished,omitempty"`
}

// Plan says what of the events stored before a moment would be archived.
// Errors: ErrNothing, NoSpaceError, or the log's.
func (a *Archiver) Plan(ctx context.Context, before time.Time) (Plan, error) {
	if age := a.Now().Sub(before); age < MinArchiveAge {
		return Plan{}, fmt.Errorf("%w: only events older than %d days are archived", ErrNothing, int(MinArchiveAge.Hours()/24))
	}
	state, _, err := a.archived(ctx)
	if err != nil {
		return Plan{}, err
	}
	if n := len(state.Archives); n > 0 && !state.Archives[n-1].Done {
		last := state.Archives[n-1]
		return Plan{First: last.First, Last: last.Last, Records: last.Records, Unfinished: &last}, nil
	}
	p := Plan{First: state.Last() + 1}
	if p.Last, err = a.lastBefore(ctx, before); err != nil {
		return Plan{}, err
	}
	tables, err := a.Tables(ctx)
	if err != nil {
		return Plan{}, err
	}
	p.Last = min(p.Last, tables)
	if p.Last < p.First {
		return Plan{}, fmt.Errorf("%w: no event of before %s that the tables have read is still in the log", ErrNothing, before.UTC().Format(time.RFC3339))
	}
	if err := a.spareOpenScans(ctx, &p); err != nil {
		return Plan{}, err
	}
	p.Records = p.Last - p.First + 1
	return p, a.room(ctx, p)
}

// name is what the archive of a plan is called.
func (p Plan) name() string { return fmt.Sprintf("archive-%012d-%012d", p.First, p.Last) }

// lastBefore is the sequence of the last event stored before a moment.
func (a *Archiver) lastBefore(ctx context.Context, before time.Time) (uint64, error) {
	id, err := a.Log.Identity(ctx)
	if err != nil {
		return 0, err
	}
	feed, err := a.Log.Feed(ctx, events.FeedOptions{Since: before})
	if err != nil {
		return 0, err
	}
	defer feed.Stop()
	if feed.Initial == 0 {
		return id.LastSeq, nil
	}
	r, err := feed.Next(ctx)
	return r.Seq - min(r.Seq, 1), err
}

// spareOpenScans ends the plan before the first request whose scan has not
// ended: taking it out of the log would be the end of it that nobody sees.
func (a *Archiver) spareOpenScans(ctx context.Context, p *Plan) error {
	open := map[string]uint64{} // scan id: sequence of its request
	for r, err := range a.Log.Read(ctx, events.FeedOptions{From: p.First, Subjects: []string{events.AllScans}}) {
		if err != nil {
			return err
		}
		e, err := r.Decode()
		if err != nil {
			continue // no scan that anybody could run
		}
		switch d := e.Data.(type) {
		case events.ScanRequested:
			open[d.ScanID] = r.Seq
		case events.ScanCompleted:
			delete(open, d.ScanID)
		}
	}
	for id, seq := range open {
		if seq <= p.Last {
			p.Last = seq - 1
		}
		if p.Last < p.First {
			return fmt.Errorf("%w: scan %s is the first of the log and has not ended", ErrNothing, id)
		}
	}
	return nil
}

// Archive does what Plan says: it copies the events into files, restores the
// copy elsewhere to see that it can be done, and takes its looks and scans out
// of the log. It may be interrupted anywhere; until the copy is proved the log
// is untouched, and a purge that did not come to its end is finished by the
// next call. Errors: those of Plan and Copy, ErrDamaged.
func (a *Archiver) Archive(ctx context.Context, before time.Time) (events.Archive, error) {
	p, err := a.Plan(ctx, before)
	if err != nil {
		return events.Archive{}, err
	}
	if p.Unfinished != nil {
		// The log may have lost a part of it already: what is left is worth
		// nothing if the files are bad.
		r, err := openArchive(a.Dir, *p.Unfinished)
		if err == nil {
			err = verify(ctx, r.dir, r.Manifest, a.say(Verifying))
		}
		if err != nil {
			return events.Archive{}, fmt.Errorf("the last purge did not come to its end, and its archive cannot be used: %w", err)
		}
		return a.purge(ctx)
	}
	if err := a.tidy(); err != nil {
		return events.Archive{}, err
	}
	archive := events.Archive{
		Name: p.name(), First: p.First, Last: p.Last, ArchivedAt: a.Now().UTC(),
	}
	if err := a.copy(ctx, &archive); err != nil {
		return events.Archive{}, err
	}
	if err := a.Rehearse(ctx, filepath.Join(a.Dir, archive.Name), a.say(Restoring)); err != nil {
		return events.Archive{}, fmt.Errorf("the archive was written and cannot be restored: nothing was taken out of the log: %w", err)
	}
	if err := a.note(ctx, func(s *events.LogArchived) { s.Archives = append(s.Archives, archive) }); err != nil {
		return events.Archive{}, err
	}
	return a.purge(ctx)
}

// tidy removes copies that were left half done by a process that was killed:
// only one archives at a time.
func (a *Archiver) tidy() error {
	left, err := filepath.Glob(filepath.Join(a.Dir, "archive-*"+partial))
	for _, dir := range left {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	if err != nil {
		return fmt.Errorf("remove what an earlier try left: %w", err)
	}
	return nil
}

// copy writes the files and fills in what is in them. A copy that an earlier
// call has made and not used is used now.
func (a *Archiver) copy(ctx context.Context, archive *events.Archive) error {
	dir := filepath.Join(a.Dir, archive.Name)
	count := func(r events.Record) {
		if purged(r.Subject) {
			archive.Purged++
		}
	}
	m, err := ReadManifest(dir)
	if errors.Is(err, ErrNoCopy) {
		m, err = Copy(ctx, a.Log, Options{
			Dir: dir, Product: a.Product, First: archive.First, Last: archive.Last, Each: count, Progress: a.Progress,
		})
	} else if err == nil {
		err = a.compare(ctx, dir, m, count)
	}
	archive.Digest, archive.Records = m.Digest, m.Records
	return err
}

// compare holds a copy that is there already against the log.
func (a *Archiver) compare(ctx context.Context, dir string, m Manifest, each func(events.Record)) (err error) {
	r := open(dir, m)
	defer func() { err = errors.Join(err, r.Close()) }()
	feed, err := a.Log.Feed(ctx, events.FeedOptions{From: m.First})
	if err != nil {
		return err
	}
	defer feed.Stop()
	say := a.say(Verifying)
	for n := range m.Records {
		got, err := r.Next(ctx)
		if err != nil {
			return err
		}
		want, err := feed.Next(ctx)
		if err != nil {
			return err
		}
		if string(appendRecord(nil, got)) != string(appendRecord(nil, want)) {
			return fmt.Errorf("%s: %w: event %d is another in the log; move it away", dir, ErrDamaged, want.Seq)
		}
		each(got)
		tell(say, n+1, m.Records)
	}
	_, err = r.Next(ctx)
	if !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// purged tells what archiving takes out of the log.
func purged(subject string) bool {
	return under(subject, events.AllBackups) || under(subject, events.AllScans)
}

func under(subject, filter string) bool {
	return strings.HasPrefix(subject, strings.TrimSuffix(filter, ">"))
}

// purge takes out of the log what its last archive holds, and notes that it is
// done.
func (a *Archiver) purge(ctx context.Context) (events.Archive, error) {
	state, _, err := a.Log.Archived(ctx)
	if err != nil {
		return events.Archive{}, err
	}
	last := &state.Archives[len(state.Archives)-1]
	say := a.say(Purging)
	for upTo := last.First - 1; upTo < last.Last; {
		upTo = min(upTo+purgeStep, last.Last)
		for _, filter := range []string{events.AllBackups, events.AllScans} {
			if err := a.purgeOnce(ctx, filter, upTo); err != nil {
				return events.Archive{}, fmt.Errorf("take what was archived out of the log (running this again goes on with it): %w", err)
			}
		}
		say(upTo-last.First+1, last.Last-last.First+1)
	}
	id, err := a.Log.Identity(ctx)
	if err != nil {
		return events.Archive{}, err
	}
	if gone := id.LastSeq - id.Messages; gone != state.Purged() {
		return events.Archive{}, fmt.Errorf("%w: %d events are gone, archived are %d", ErrIncomplete, gone, state.Purged())
	}
	done := func(s *events.LogArchived) { s.Archives[len(s.Archives)-1].Done = true }
	if err := a.note(ctx, done); err != nil {
		return events.Archive{}, err
	}
	last.Done = true
	return *last, nil
}

func (a *Archiver) purgeOnce(ctx context.Context, filter string, upTo uint64) error {
	ctx, cancel := context.WithTimeout(ctx, purgeTimeout)
	defer cancel()
	s, err := a.Keeper.Stream(ctx, events.StreamEvents)
	if err != nil {
		return err
	}
	return s.Purge(ctx, jetstream.WithPurgeSubject(filter), jetstream.WithPurgeSequence(upTo+1))
}

func (a *Archiver) say(s Step) func(done, total uint64) {
	return func(done, total uint64) {
		if a.Progress != nil {
			a.Progress(s, done, total)
		}
	}
}
