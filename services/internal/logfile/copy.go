package logfile

import (
	"context"
	"errors"
	"fmt"
	"time"

	"backupmonitor/events"
)

// Options of Copy.
type Options struct {
	Dir     string // of the copy; must not be there yet
	Product string // version of the program
	// Last is the last sequence wanted; 0 is what the log ends with now.
	Last uint64
	// First is the first sequence wanted. From 1 on, where looks and scans were
	// archived, the rest is copied. A copy that begins later must be whole.
	First uint64
	// Each, where set, sees the records as they are written.
	Each func(events.Record)
	// Attach are files that do not come from the log, by name.
	Attach map[string][]byte
	// Progress is told now and then how many records were written or, the
	// second time round, read back and compared.
	Progress func(step Step, done, total uint64)
}

// Step is what a copy is at.
type Step string

// The steps.
const (
	Writing   Step = "writing"
	Verifying Step = "verifying"
	Restoring Step = "restoring" // into a server of its own, to see that it can be done
	Purging   Step = "purging"   // of the log
)

// Copy copies the log into files, while others go on writing it: it ends with
// the sequence that it began with. It is read back and compared before it gets
// its name. After any error nothing is left of it. Errors: ErrIncomplete, the
// log's, the disk's, or ctx's.
func Copy(ctx context.Context, log *events.Log, o Options) (m Manifest, err error) {
	id, err := log.Identity(ctx)
	if err != nil {
		return Manifest{}, err
	}
	o.First = max(o.First, 1)
	if o.Last == 0 {
		o.Last = id.LastSeq
	}
	switch {
	case id.LastSeq == 0:
		return Manifest{}, errors.New("the log is empty: there is nothing to copy")
	case id.Missing > 0:
		return Manifest{}, fmt.Errorf("%w: %d are missing, its files are damaged", ErrIncomplete, id.Missing)
	case o.Last > id.LastSeq || o.First > o.Last:
		return Manifest{}, fmt.Errorf("%w: it holds %d to %d, wanted are %d to %d", ErrIncomplete, id.FirstSeq, id.LastSeq, o.First, o.Last)
	}
	w, err := Create(o.Dir, Manifest{
		Product: o.Product, Log: id.ID(), Created: id.Created, First: o.First, Last: o.Last, Archived: id.Archived, MadeAt: time.Now().UTC(),
	})
	if err != nil {
		return Manifest{}, err
	}
	if m, err = w.fill(ctx, log, id, o); err != nil {
		return Manifest{}, errors.Join(err, w.Abort())
	}
	return m, nil
}

func (w *Writer) fill(ctx context.Context, log *events.Log, id events.Identity, o Options) (Manifest, error) {
	say := func(s Step) func(done, total uint64) {
		return func(done, total uint64) {
			if o.Progress != nil {
				o.Progress(s, done, total)
			}
		}
	}
	if err := w.read(ctx, log, id, o, say(Writing)); err != nil {
		return Manifest{}, err
	}
	for name, data := range o.Attach {
		if err := w.Attach(name, data); err != nil {
			return Manifest{}, err
		}
	}
	return w.Finish(ctx, say(Verifying))
}

// read takes the records from the log and makes sure that it gave them all.
func (w *Writer) read(ctx context.Context, log *events.Log, id events.Identity, o Options, say func(done, total uint64)) error {
	feed, err := log.Feed(ctx, events.FeedOptions{From: o.First})
	if err != nil {
		return err
	}
	defer feed.Stop()
	// What is archived is the only thing that may be missing, and nothing that
	// was stored before now can be missing after it.
	want := o.Last - o.First + 1
	if o.First <= id.Archived {
		if o.First != 1 || o.Last != id.LastSeq {
			return fmt.Errorf("%w: looks and scans up to %d were archived", ErrIncomplete, id.Archived)
		}
		want = id.Messages
	}
	for last := uint64(0); last < o.Last; {
		r, err := feed.Next(ctx)
		if err != nil {
			return err
		}
		if r.Seq > o.Last {
			break
		}
		if r.Seq > max(last+1, id.Archived+1, o.First) {
			return fmt.Errorf("%w: after %d comes %d", ErrIncomplete, last, r.Seq)
		}
		if err := w.Add(r); err != nil {
			return err
		}
		if o.Each != nil {
			o.Each(r)
		}
		last = r.Seq
		tell(say, w.manifest.Records, want)
	}
	now, err := log.Identity(ctx)
	if err != nil {
		return err
	}
	if now.ID() != id.ID() || now.Missing > 0 || w.manifest.Records != want {
		return fmt.Errorf("%w: %d came instead of %d; was it archived meanwhile?", ErrIncomplete, w.manifest.Records, want)
	}
	return nil
}
