package logfile

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"

	"backupmonitor/events"
)

// Reader reads the records of a copy, and checks each file and the whole as it
// passes their ends. One goroutine at a time uses it. Whoever opens one closes
// it.
type Reader struct {
	Manifest Manifest

	dir     string
	whole   *Digest
	segment *segmentReader
	next    int    // index of the segment to be read next
	records uint64 // read
	last    uint64 // sequence of the last record read
}

// Open opens the copy in dir. Errors: ErrNoCopy, ErrDamaged.
func Open(dir string) (*Reader, error) {
	m, err := ReadManifest(dir)
	if err != nil {
		return nil, err
	}
	return open(dir, m), nil
}

func open(dir string, m Manifest) *Reader {
	return &Reader{Manifest: m, dir: dir, whole: NewDigest()}
}

// Next is the next record; io.EOF says that there is none and that every file
// was what the manifest says. Errors: ErrDamaged, or ctx's.
func (r *Reader) Next(ctx context.Context) (events.Record, error) {
	for {
		if err := ctx.Err(); err != nil {
			return events.Record{}, err
		}
		if r.segment == nil {
			if r.next == len(r.Manifest.Segments) {
				return events.Record{}, r.end()
			}
			s, err := openSegment(r.dir, r.Manifest.Segments[r.next])
			if err != nil {
				return events.Record{}, r.damaged(err)
			}
			r.segment, r.next = s, r.next+1
		}
		rec, err := r.segment.next()
		if errors.Is(err, io.EOF) {
			err = r.segment.close()
			r.segment = nil
			if err != nil {
				return events.Record{}, r.damaged(err)
			}
			continue
		}
		if err != nil {
			return events.Record{}, r.damaged(err)
		}
		if rec.Seq <= r.last || rec.Seq < r.Manifest.First || rec.Seq > r.Manifest.Last {
			return events.Record{}, r.damaged(fmt.Errorf("record %d stands after %d", rec.Seq, r.last))
		}
		r.whole.Add(rec)
		r.last, r.records = rec.Seq, r.records+1
		rec.Pending = r.Manifest.Records - min(r.records, r.Manifest.Records)
		return rec, nil
	}
}

func (r *Reader) end() error {
	if r.records != r.Manifest.Records {
		return r.damaged(fmt.Errorf("it has %d records instead of %d", r.records, r.Manifest.Records))
	}
	if r.whole.String() != r.Manifest.Digest {
		return r.damaged(errors.New("its records are not those that were written"))
	}
	return io.EOF
}

func (r *Reader) damaged(err error) error { return fmt.Errorf("%s: %w: %w", r.dir, ErrDamaged, err) }

// Attachment is a file that was attached. Errors: ErrDamaged, fs.ErrNotExist
// where there is none of the name.
func (r *Reader) Attachment(name string) ([]byte, error) {
	for _, a := range r.Manifest.Attachments {
		if a.Name != name {
			continue
		}
		b, err := os.ReadFile(filepath.Join(r.dir, name))
		if err != nil {
			return nil, r.damaged(err)
		}
		if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != a.SHA256 {
			return nil, r.damaged(fmt.Errorf("%s is not what was written", name))
		}
		return b, nil
	}
	return nil, fmt.Errorf("%s holds no %s: %w", r.dir, name, os.ErrNotExist)
}

// Close gives the files back. It may be called more than once.
func (r *Reader) Close() error {
	if r.segment == nil {
		return nil
	}
	err := r.segment.release()
	r.segment = nil
	return err
}

// Verify reads the whole copy in dir and compares it with its digests. progress
// is told now and then how many records it has read. Errors: ErrNoCopy,
// ErrDamaged, or ctx's.
func Verify(ctx context.Context, dir string, progress func(done, total uint64)) (Manifest, error) {
	m, err := ReadManifest(dir)
	if err != nil {
		return Manifest{}, err
	}
	return m, verify(ctx, dir, m, progress)
}

func verify(ctx context.Context, dir string, m Manifest, progress func(done, total uint64)) (err error) {
	r := open(dir, m)
	defer func() { err = errors.Join(err, r.Close()) }()
	for {
		_, err := r.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		tell(progress, r.records, m.Records)
	}
	for _, a := range m.Attachments {
		if _, err := r.Attachment(a.Name); err != nil {
			return err
		}
	}
	return nil
}

// tellEvery is how many records pass between two words about the progress.
const tellEvery = 1000

func tell(progress func(done, total uint64), done, total uint64) {
	if progress != nil && (done%tellEvery == 0 || done == total) {
		progress(done, total)
	}
}

// segmentReader reads one file, digesting it on the way.
type segmentReader struct {
	Segment
	file    *os.File
	sum     hash.Hash
	raw     io.Reader // the file, through sum
	dec     *zstd.Decoder
	from    *bufio.Reader
	records uint64
}

func openSegment(dir string, s Segment) (*segmentReader, error) {
	f, err := os.Open(filepath.Join(dir, s.Name))
	if err != nil {
		return nil, err
	}
	r := &segmentReader{Segment: s, file: f, sum: sha256.New()}
	r.raw = bufio.NewReaderSize(io.TeeReader(f, r.sum), 1<<20)
	if r.dec, err = zstd.NewReader(r.raw, zstd.WithDecoderConcurrency(1)); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	r.from = bufio.NewReaderSize(r.dec, 1<<20)
	return r, nil
}

func (s *segmentReader) next() (events.Record, error) {
	rec, err := readRecord(s.from)
	if err == nil {
		s.records++
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("%s: %w", s.Name, err)
	}
	return rec, err
}

// close says whether the file was what the manifest says, and gives it back.
func (s *segmentReader) close() error {
	_, err := io.Copy(io.Discard, s.raw) // what follows the compressed records, if anything
	switch {
	case err != nil:
	case hex.EncodeToString(s.sum.Sum(nil)) != s.SHA256:
		err = fmt.Errorf("%s is not what was written", s.Name)
	case s.records != s.Records:
		err = fmt.Errorf("%s has %d records instead of %d", s.Name, s.records, s.Records)
	}
	return errors.Join(err, s.release())
}

func (s *segmentReader) release() error {
	s.dec.Close()
	return s.file.Close()
}
