package logfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"backupmonitor/events"
)

// Sequence is the whole of a log: what was archived, from the archives, then
// the log itself, and then live, as an events.Feed is. One goroutine at a time
// reads it. Whoever opens one stops it.
type Sequence struct {
	// Initial is how many records were there to deliver when it was opened.
	Initial uint64

	log      *events.Log
	dir      string
	archives []*Reader // those still to be read
	from     uint64    // first sequence still wanted
	live     *events.Feed
}

// Read opens the log from a sequence on, 0 being its beginning, with the
// archives in dir. Errors: ErrNoArchive, which names what is missing;
// ErrDamaged; or the log's.
func Read(ctx context.Context, log *events.Log, dir string, from uint64) (*Sequence, error) {
	s := &Sequence{log: log, dir: dir, from: max(from, 1)}
	archived, _, err := log.Archived(ctx)
	if err != nil {
		return nil, err
	}
	return s, s.open(ctx, archived)
}

// open opens the archives and the log behind them, from the sequence on that is
// wanted next.
func (s *Sequence) open(ctx context.Context, archived events.LogArchived) error {
	var archives []*Reader
	initial := uint64(0)
	for _, a := range archived.Archives {
		if a.Last < s.from {
			continue
		}
		r, err := openArchive(s.dir, a)
		if err != nil {
			return err
		}
		archives = append(archives, r)
		initial += a.Last - max(a.First, s.from) + 1
	}
	// Opened already now, so that what is missing shows at once.
	live, err := s.log.Feed(ctx, events.FeedOptions{From: max(s.from, archived.Last()+1)})
	if err != nil {
		return err
	}
	s.archives, s.live, s.Initial = archives, live, initial+live.Initial
	return nil
}

// Check tells whether the archives of the log are in dir, as far as a reader
// from a sequence on needs them. It does not read them. Errors: ErrNoArchive,
// ErrDamaged, or the log's.
func Check(ctx context.Context, log *events.Log, dir string, from uint64) error {
	archived, _, err := log.Archived(ctx)
	if err != nil {
		return err
	}
	for _, a := range archived.Archives {
		if a.Last < from {
			continue
		}
		if _, err := openArchive(dir, a); err != nil {
			return err
		}
	}
	return nil
}

func openArchive(dir string, a events.Archive) (*Reader, error) {
	if a.Name != filepath.Base(a.Name) {
		return nil, fmt.Errorf("%w: the log names it %q", ErrNoArchive, a.Name)
	}
	r, err := Open(filepath.Join(dir, a.Name))
	if errors.Is(err, ErrNoCopy) {
		return nil, fmt.Errorf("%w: events %d to %d stand in %s, which is not in %s", ErrNoArchive, a.First, a.Last, a.Name, dir)
	}
	if err != nil {
		return nil, err
	}
	if m := r.Manifest; m.Digest != a.Digest || m.First != a.First || m.Last != a.Last || m.Records != a.Records {
		return nil, fmt.Errorf("%w: %s in %s is not the archive of events %d to %d that the log names", ErrDamaged, a.Name, dir, a.First, a.Last)
	}
	return r, nil
}

// Next waits for the next record. What is archived while the log is read comes
// from its archive. Errors: ErrDamaged; ErrNoArchive; ErrIncomplete where the
// log has a gap that no archive fills; and those of events.Feed.
func (s *Sequence) Next(ctx context.Context) (events.Record, error) {
	for {
		r, err := s.next(ctx)
		switch {
		case err == nil && r.Seq == s.from:
			s.from++
			return r, nil
		case err == nil:
			err = fmt.Errorf("%w: %d comes where %d is due", ErrIncomplete, r.Seq, s.from)
		case !errors.Is(err, events.ErrStalled):
			return events.Record{}, err
		}
		if moved, merr := s.follow(ctx); merr != nil {
			return events.Record{}, merr
		} else if !moved {
			return events.Record{}, err
		}
	}
}

// follow goes on in the archives where what the log does not have any more was
// archived meanwhile; moved tells whether it was.
func (s *Sequence) follow(ctx context.Context) (moved bool, err error) {
	if len(s.archives) > 0 {
		return false, nil // an archive has no gap
	}
	archived, _, err := s.log.Archived(ctx)
	if err != nil || archived.Last() < s.from {
		return false, err
	}
	old := s.live
	if err := s.open(ctx, archived); err != nil {
		return false, err
	}
	old.Stop()
	return true, nil
}

func (s *Sequence) next(ctx context.Context) (events.Record, error) {
	for len(s.archives) > 0 {
		r, err := s.archives[0].Next(ctx)
		switch {
		case errors.Is(err, io.EOF):
			s.archives = s.archives[1:]
			continue
		case err != nil:
			return events.Record{}, err
		case r.Seq < s.from:
			continue
		}
		for _, more := range s.archives[1:] {
			r.Pending += more.Manifest.Records
		}
		r.Pending += s.live.Initial
		return r, nil
	}
	return s.live.Next(ctx)
}

// Stop gives everything back. It may be called more than once.
func (s *Sequence) Stop() {
	for _, r := range s.archives {
		_ = r.Close() // what was read is good; nothing is lost with a file that does not close
	}
	s.archives = nil
	s.live.Stop()
}
