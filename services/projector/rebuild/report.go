package rebuild

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"slices"
	"strings"

	"backupmonitor/services/internal/store"
)

// Names of what is compared.
const (
	TableHistory    = "history"
	TableOutlets    = "Outlets"
	TableQuarantine = "quarantine"
	TableDDrive     = "D_Drive_Backup_Stat"
	TableIBStorage  = "IB_Storage_Backup_Stat"
)

// Report is what a comparison of the tables with the log has found.
type Report struct {
	Log        string  `json:"log"`        // identity
	Checkpoint uint64  `json:"checkpoint"` // that the comparison is as of
	Unreadable uint64  `json:"unreadable"` // events up to it that no version so far can read and nobody has dismissed
	Dismissed  uint64  `json:"dismissed"`  // events up to it that cannot be read or stored, and are dismissed
	Tables     []Table `json:"tables"`
	Repaired   bool    `json:"repaired"` // what was missing or different has been put right

	// Unstorable is how many events up to it the tables could not hold and nobody has
	// dismissed. They count as set aside on both sides, and stay so.
	Unstorable      uint64       `json:"unstorable"`
	FirstUnstorable []Unstorable `json:"firstUnstorable,omitempty"`
}

// Table is one of the tables beside what the log says it must be.
type Table struct {
	Name      string `json:"name"`
	Rows      uint64 `json:"rows"`
	Digest    string `json:"digest"` // SHA-256 of all rows; equal tables have equal ones, in any database
	LogRows   uint64 `json:"logRows"`
	LogDigest string `json:"logDigest"`

	Missing   uint64       `json:"missing"`   // rows that the log says and the table lacks
	Different uint64       `json:"different"` // rows that the log says otherwise
	Unknown   uint64       `json:"unknown"`   // rows that the log does not know; they stay
	First     []Difference `json:"first,omitempty"`
}

// Difference is one row that is not as the log says.
type Difference struct {
	Kind    string   `json:"kind"` // missing, different, unknown, readable
	Row     string   `json:"row"`
	Columns []Column `json:"columns,omitempty"`
}

// The kinds of a Difference.
const (
	KindMissing   = "missing"
	KindDifferent = "different"
	KindUnknown   = "unknown"
	KindReadable  = "readable" // in quarantine, though this version can read it; counted as different
)

// Column is one value that differs, as JSON writes it.
type Column struct {
	Name  string `json:"name"`
	Table string `json:"table"`
	Log   string `json:"log"`
}

// Wrong is how many rows are missing or different.
func (r Report) Wrong() (n uint64) {
	for _, t := range r.Tables {
		n += t.Missing + t.Different
	}
	return n
}

// Unstored says which events the tables could not hold, as a sentence; "" where
// they hold all that can be read.
func (r Report) Unstored() string {
	if r.Unstorable == 0 {
		return ""
	}
	named := make([]string, len(r.FirstUnstorable))
	for i, u := range r.FirstUnstorable {
		named[i] = u.String()
	}
	if more := r.Unstorable - uint64(len(named)); more > 0 {
		named = append(named, fmt.Sprintf("and %d more", more))
	}
	return fmt.Sprintf("%d events could not be stored: %s.", r.Unstorable, strings.Join(named, "; "))
}

// Excused says how many events are dismissed, as a sentence; "" where none are.
func (r Report) Excused() string {
	switch r.Dismissed {
	case 0:
		return ""
	case 1:
		return "1 event that cannot be read or stored is dismissed: what it says is in no table."
	}
	return fmt.Sprintf("%d events that cannot be read or stored are dismissed: what they say is in no table.", r.Dismissed)
}

// Unknown is how many rows the log does not know.
func (r Report) Unknown() (n uint64) {
	for _, t := range r.Tables {
		n += t.Unknown
	}
	return n
}

// shown is how many differences of a table a report names.
const shown = 5

// row is a row of any of the tables.
type row interface {
	*store.Look | *store.Outlet | *store.Quarantined
	Encode(b []byte) []byte
}

// tally counts and digests one table on both sides.
type tally[R row] struct {
	Table
	name             func(R) string // of a row, for people
	inTable, fromLog hash.Hash
	a, b             []byte // encodings, used again and again
}

func newTally[R row](table string, name func(R) string) *tally[R] {
	return &tally[R]{Table: Table{Name: table}, name: name, inTable: sha256.New(), fromLog: sha256.New()}
}

// pair takes a row that either side has, nil where it has none. Both sides
// must come in one and the same order. It tells whether the row is wrong.
func (t *tally[R]) pair(inTable, fromLog R) (wrong bool) {
	t.a, t.b = t.a[:0], t.b[:0]
	if inTable != nil {
		t.a = digest(t.inTable, inTable.Encode(t.a))
		t.Rows++
	}
	if fromLog != nil {
		t.b = digest(t.fromLog, fromLog.Encode(t.b))
		t.LogRows++
	}
	d := Difference{}
	switch {
	case fromLog == nil:
		d.Kind, d.Row = KindUnknown, t.name(inTable)
		t.Unknown++
	case inTable == nil:
		d.Kind, d.Row = KindMissing, t.name(fromLog)
		t.Missing++
	case string(t.a) != string(t.b):
		d.Kind, d.Row = KindDifferent, t.name(fromLog)
		t.Different++
	default:
		return false
	}
	if len(t.First) < shown {
		if d.Kind == KindDifferent {
			d.Columns = columns(inTable, fromLog)
		}
		t.First = append(t.First, d)
	}
	return fromLog != nil
}

// readable says that the row seen last, which the log did not seem to know, is
// an event that can be read by now.
func (t *tally[R]) readable() {
	t.Unknown--
	if t.Different++; t.Unknown+t.Different+t.Missing <= shown {
		t.First[len(t.First)-1].Kind = KindReadable
	}
}

func digest(h hash.Hash, encoded []byte) []byte {
	var size [8]byte
	binary.BigEndian.PutUint64(size[:], uint64(len(encoded)))
	_, _ = h.Write(size[:]) // a hash never fails
	_, _ = h.Write(encoded)
	return encoded
}

func (t *tally[R]) done() Table {
	t.Digest, t.LogDigest = hex.EncodeToString(t.inTable.Sum(nil)), hex.EncodeToString(t.fromLog.Sum(nil))
	return t.Table
}

// columns are the values in which two rows differ.
func columns(inTable, fromLog any) (found []Column) {
	a, b := fields(inTable), fields(fromLog)
	for name := range b {
		if string(a[name]) != string(b[name]) {
			found = append(found, Column{Name: name, Table: string(a[name]), Log: string(b[name])})
		}
	}
	slices.SortFunc(found, func(a, b Column) int { return strings.Compare(a.Name, b.Name) })
	return found
}

func fields(row any) (f map[string]json.RawMessage) {
	data, err := json.Marshal(row)
	if err == nil {
		err = json.Unmarshal(data, &f)
	}
	if err != nil { // a time that JSON cannot write
		return map[string]json.RawMessage{"row": json.RawMessage(fmt.Sprintf("%q", fmt.Sprint(row)))}
	}
	return f
}
