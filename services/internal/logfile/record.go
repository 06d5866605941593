package logfile

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/nats-io/nats.go"

	"backupmonitor/events"
)

// maxRecord bounds what is allocated for a record: NATS lets no message have
// more than 64 MiB. Source: MAX_PAYLOAD_MAX_SIZE in nats-server's const.go.
const maxRecord = 65 << 20

// appendRecord appends a record as a copy holds it: its length, then sequence,
// time in nanoseconds since 1970, subject, number of header values, each with
// its name, in the order of the names, and the data. Numbers are varints, texts
// carry their length before them. The same record always gives the same bytes,
// so that they are what digests are made of.
func appendRecord(b []byte, r events.Record) []byte {
	body := binary.AppendUvarint(nil, r.Seq)
	body = binary.AppendVarint(body, r.Stored.UnixNano())
	body = appendBytes(body, r.Subject)
	n := 0
	for _, values := range r.Header {
		n += len(values)
	}
	body = binary.AppendUvarint(body, uint64(n))
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		for _, v := range r.Header[name] {
			body = appendBytes(appendBytes(body, name), v)
		}
	}
	body = appendBytes(body, r.Data)
	return append(binary.AppendUvarint(b, uint64(len(body))), body...)
}

// Digest is a SHA-256 over records, as a manifest has it.
type Digest struct {
	sum hash.Hash
	buf []byte
}

// NewDigest is the digest of no record.
func NewDigest() *Digest { return &Digest{sum: sha256.New()} }

// Add adds a record, and gives it as a copy holds it, until the next.
func (d *Digest) Add(r events.Record) []byte {
	d.buf = appendRecord(d.buf[:0], r)
	d.sum.Write(d.buf)
	return d.buf
}

// String is the digest, hexadecimal.
func (d *Digest) String() string { return hex.EncodeToString(d.sum.Sum(nil)) }

func appendBytes[T string | []byte](b []byte, text T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

// readRecord reads what appendRecord wrote. io.EOF says that there is no
// further record.
func readRecord(r *bufio.Reader) (events.Record, error) {
	n, err := binary.ReadUvarint(r)
	if errors.Is(err, io.EOF) && n == 0 {
		return events.Record{}, io.EOF
	}
	if err != nil {
		return events.Record{}, err
	}
	if n > maxRecord {
		return events.Record{}, fmt.Errorf("a record of %d bytes", n)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return events.Record{}, errors.Join(io.ErrUnexpectedEOF, err)
	}
	return decodeRecord(body)
}

func decodeRecord(body []byte) (events.Record, error) {
	c := cursor{rest: body}
	rec := events.Record{Seq: c.uvarint(), Stored: time.Unix(0, c.varint()).UTC(), Subject: string(c.bytes())}
	if n := c.uvarint(); n > 0 {
		rec.Header = nats.Header{}
		for i := uint64(0); i < n && !c.bad; i++ {
			name := string(c.bytes())
			rec.Header[name] = append(rec.Header[name], string(c.bytes()))
		}
	}
	rec.Data = c.bytes()
	if c.bad || len(c.rest) > 0 {
		return events.Record{}, errors.New("a record that cannot be read")
	}
	return rec, nil
}

// cursor reads the parts of a record; bad says that it was not one.
type cursor struct {
	rest []byte
	bad  bool
}

func (c *cursor) uvarint() uint64 {
	v, n := binary.Uvarint(c.rest)
	c.skip(n)
	return v
}

func (c *cursor) varint() int64 {
	v, n := binary.Varint(c.rest)
	c.skip(n)
	return v
}

func (c *cursor) skip(n int) {
	if n <= 0 {
		c.bad, n = true, 0
	}
	c.rest = c.rest[n:]
}

func (c *cursor) bytes() []byte {
	n := c.uvarint()
	if n > uint64(len(c.rest)) {
		c.bad = true
		return nil
	}
	b := c.rest[:n:n]
	c.rest = c.rest[n:]
	return b
}
