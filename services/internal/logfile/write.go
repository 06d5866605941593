package logfile

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"

	"backupmonitor/events"
	"backupmonitor/services/internal/disk"
)

// segmentBytes is when a segment ends, before compression: small enough to be
// looked at alone when one is damaged, large enough to be few.
const segmentBytes = 256 << 20

// Writer makes a copy. Whoever gets one calls Finish or Abort.
type Writer struct {
	dir      string // its final name
	manifest Manifest
	whole    *Digest
	segment  *segmentWriter
	limit    int64
}

// Create begins the copy in dir, which must not be there yet. Of m it takes
// what the copy is of.
func Create(dir string, m Manifest) (*Writer, error) {
	if _, err := os.Lstat(dir); err == nil {
		return nil, fmt.Errorf("%s is there already: nothing is ever written over", dir)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o750); err != nil {
		return nil, fmt.Errorf("make the directory of the copy: %w", err)
	}
	// One of this name was left behind by a process that did not come to its
	// end.
	if err := os.RemoveAll(dir + partial); err != nil {
		return nil, fmt.Errorf("remove what an earlier try left: %w", err)
	}
	if err := os.Mkdir(dir+partial, 0o700); err != nil {
		return nil, fmt.Errorf("make the copy: %w", err)
	}
	m.Format, m.Records, m.Segments, m.Attachments = format, 0, nil, nil
	return &Writer{dir: dir, manifest: m, whole: NewDigest(), limit: segmentBytes}, nil
}

// Add adds a record, which must follow those before.
func (w *Writer) Add(r events.Record) error {
	if w.segment == nil {
		s, err := newSegment(w.dir+partial, fmt.Sprintf("log-%05d.zst", len(w.manifest.Segments)+1), r.Seq)
		if err != nil {
			return fmt.Errorf("write the copy: %w", err)
		}
		w.segment = s
	}
	b := w.whole.Add(r)
	if _, err := w.segment.to.Write(b); err != nil {
		return fmt.Errorf("write the copy: %w", err)
	}
	w.segment.add(r.Seq, len(b))
	w.manifest.Records++
	if w.segment.raw < w.limit {
		return nil
	}
	return w.endSegment()
}

// Attach adds a file that does not come from the log.
func (w *Writer) Attach(name string, data []byte) error {
	sum := sha256.Sum256(data)
	if err := writeSynced(filepath.Join(w.dir+partial, name), data); err != nil {
		return fmt.Errorf("write %s of the copy: %w", name, err)
	}
	w.manifest.Attachments = append(w.manifest.Attachments, File{Name: name, Bytes: int64(len(data)), SHA256: hex.EncodeToString(sum[:])})
	return nil
}

func (w *Writer) endSegment() error {
	if w.segment == nil {
		return nil
	}
	s, err := w.segment.close()
	w.segment = nil
	if err != nil {
		return fmt.Errorf("write the copy: %w", err)
	}
	w.manifest.Segments = append(w.manifest.Segments, s)
	return nil
}

// Finish reads back what was written, compares it, and gives the copy its name.
// Errors: ErrDamaged, the disk's, or ctx's; Abort then removes what there is.
func (w *Writer) Finish(ctx context.Context, progress func(done, total uint64)) (Manifest, error) {
	m, err := w.seal()
	if err != nil {
		return Manifest{}, err
	}
	if err := verify(ctx, w.dir+partial, m, progress); err != nil {
		return Manifest{}, err
	}
	return m, w.publish()
}

// seal writes the manifest: the copy is whole and has not its name yet.
func (w *Writer) seal() (Manifest, error) {
	if err := w.endSegment(); err != nil {
		return Manifest{}, err
	}
	w.manifest.Digest = w.whole.String()
	b, err := json.MarshalIndent(w.manifest, "", "  ")
	if err == nil {
		b = append(b, '\n')
		err = writeSynced(filepath.Join(w.dir+partial, manifestName), b)
	}
	if err == nil {
		err = writeSynced(filepath.Join(w.dir+partial, sumsName), w.manifest.sums(b))
	}
	if err == nil {
		err = disk.SyncDir(w.dir + partial)
	}
	if err != nil {
		return Manifest{}, fmt.Errorf("write the manifest of the copy: %w", err)
	}
	return w.manifest, nil
}

// sums is the digests of all files, the manifest as given among them, as
// sha256sum reads them.
func (m Manifest) sums(manifest []byte) []byte {
	sum := sha256.Sum256(manifest)
	b := fmt.Appendf(nil, "%x  %s\n", sum, manifestName)
	for _, s := range m.Segments {
		b = fmt.Appendf(b, "%s  %s\n", s.SHA256, s.Name)
	}
	for _, a := range m.Attachments {
		b = fmt.Appendf(b, "%s  %s\n", a.SHA256, a.Name)
	}
	return b
}

// publish gives the copy its name.
func (w *Writer) publish() error {
	if err := os.Rename(w.dir+partial, w.dir); err != nil {
		return fmt.Errorf("give the copy its name: %w", err)
	}
	if err := disk.SyncDir(filepath.Dir(w.dir)); err != nil {
		return fmt.Errorf("give the copy its name: %w", err)
	}
	return nil
}

// Abort removes what was written.
func (w *Writer) Abort() error {
	var err error
	if w.segment != nil {
		_, err = w.segment.close()
		w.segment = nil
	}
	return errors.Join(err, os.RemoveAll(w.dir+partial))
}

// segmentWriter writes one file: records are compressed, and what comes out is
// digested on its way to the disk.
type segmentWriter struct {
	Segment
	file *os.File
	out  *bufio.Writer
	sum  hash.Hash
	to   *zstd.Encoder
	raw  int64
}

func newSegment(dir, name string, first uint64) (*segmentWriter, error) {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	s := &segmentWriter{Segment: Segment{File: File{Name: name}, First: first}, file: f, sum: sha256.New()}
	s.out = bufio.NewWriterSize(io.MultiWriter(f, s.sum), 1<<20)
	s.to, err = zstd.NewWriter(s.out, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return s, nil
}

func (s *segmentWriter) add(seq uint64, n int) {
	s.Last = seq
	s.Records++
	s.raw += int64(n)
}

func (s *segmentWriter) close() (Segment, error) {
	err := errors.Join(s.to.Close(), s.out.Flush(), s.file.Sync())
	if info, serr := s.file.Stat(); serr == nil {
		s.Bytes = info.Size()
	} else {
		err = errors.Join(err, serr)
	}
	s.SHA256 = hex.EncodeToString(s.sum.Sum(nil))
	return s.Segment, errors.Join(err, s.file.Close())
}

func writeSynced(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}
