// Package logfile keeps copies of the log in files: backups of all of it, and
// archives of a part that is then taken out of it. A copy is a directory:
//
//	manifest.json    what the copy is of, and the digests of the rest
//	log-00001.zst    records in the order of the log; see appendRecord
//	…
//	users.json, …    attachments that do not come from the log; backups only
//	SHA256SUMS       the digests of all these files, as sha256sum -c reads them
//
// It is made under a name that ends in .partial, read back and compared with
// what the log gave, and only then gets its own name: a copy that has its name
// was good when it was made. Everything in it is readable by the owner only.
//
// A Sequence reads archives and the log as the one sequence that they are.
package logfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Errors of this package.
var (
	// ErrNoCopy says that there is no finished copy at a path.
	ErrNoCopy = errors.New("there is no finished copy of the log")
	// ErrDamaged says that a copy is not what was written.
	ErrDamaged = errors.New("the copy of the log is damaged")
	// ErrIncomplete says that the log did not give all that it should hold.
	ErrIncomplete = errors.New("the log did not give all of its events")
	// ErrNoArchive says that a part of the log stands in an archive that was
	// not found.
	ErrNoArchive = errors.New("an archive of the log is missing")
)

const (
	manifestName = "manifest.json"
	sumsName     = "SHA256SUMS"
	partial      = ".partial"
	// format is the version of the format. A reader refuses a later one.
	format = 1
)

// Manifest says what a copy is of.
type Manifest struct {
	Format   int       `json:"format"`
	Product  string    `json:"product"` // version that made the copy
	Log      string    `json:"log"`     // events.Identity.ID
	Created  time.Time `json:"created"` // of the log
	First    uint64    `json:"first"`   // sequences that the copy covers
	Last     uint64    `json:"last"`
	Records  uint64    `json:"records"`
	Archived uint64    `json:"archived,omitempty"` // up to here looks and scans stand in archives, not in this copy
	// Digest is the SHA-256 over all records, before compression.
	Digest      string    `json:"digest"`
	MadeAt      time.Time `json:"madeAt"`
	Segments    []Segment `json:"segments"`
	Attachments []File    `json:"attachments,omitempty"`
}

// Segment is a file of records.
type Segment struct {
	File
	First   uint64 `json:"first"` // sequences of its first and last record
	Last    uint64 `json:"last"`
	Records uint64 `json:"records"`
}

// File is a file of a copy.
type File struct {
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"` // of the file as it is, hexadecimal
}

// Size is how many bytes the files of the copy have.
func (m Manifest) Size() int64 {
	var n int64
	for _, s := range m.Segments {
		n += s.Bytes
	}
	for _, a := range m.Attachments {
		n += a.Bytes
	}
	return n
}

// ReadManifest reads what the copy in dir says it is. It verifies nothing
// else. Errors: ErrNoCopy, ErrDamaged.
func ReadManifest(dir string) (Manifest, error) {
	b, err := os.ReadFile(filepath.Join(dir, manifestName))
	if errors.Is(err, fs.ErrNotExist) || strings.HasSuffix(filepath.Clean(dir), partial) {
		return Manifest{}, fmt.Errorf("%s: %w", dir, ErrNoCopy)
	}
	if err != nil {
		return Manifest{}, fmt.Errorf("read the copy: %w", err)
	}
	var m Manifest
	if err := json.Unmarshal(b, &m); err != nil {
		return Manifest{}, fmt.Errorf("%s: %w: its manifest cannot be read: %w", dir, ErrDamaged, err)
	}
	if m.Format > format {
		return Manifest{}, fmt.Errorf("%s was made by version %s in format %d, which this version does not know: use that version or a later one", dir, m.Product, m.Format)
	}
	for _, name := range m.names() {
		if name != filepath.Base(name) || name == "." || name == ".." {
			return Manifest{}, fmt.Errorf("%s: %w: its manifest names %q", dir, ErrDamaged, name)
		}
	}
	if sums, err := os.ReadFile(filepath.Join(dir, sumsName)); err != nil || !bytes.Equal(sums, m.sums(b)) {
		return Manifest{}, fmt.Errorf("%s: %w: manifest and digests do not agree", dir, ErrDamaged)
	}
	return m, nil
}

func (m Manifest) names() []string {
	var names []string
	for _, s := range m.Segments {
		names = append(names, s.Name)
	}
	for _, a := range m.Attachments {
		names = append(names, a.Name)
	}
	return names
}
