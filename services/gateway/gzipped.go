package gateway

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// gzipped is the beginning of an answer, packed once for all who get an end of
// their own behind it. The format is of RFC 1952 and, within, of RFC 1951.
type gzipped struct {
	bytes []byte // up to the boundary of a byte, without an end
	sum   uint32 // CRC-32 of what they hold
	size  int    // of what they hold
}

func newGzipped(plain []byte) (gzipped, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err == nil {
		_, err = z.Write(plain)
	}
	if err == nil {
		err = z.Flush()
	}
	if err != nil {
		return gzipped{}, fmt.Errorf("pack the answer: %w", err)
	}
	return gzipped{bytes.Clone(b.Bytes()), crc32.ChecksumIEEE(plain), len(plain)}, nil
}

// end is what follows the bytes so that the answer ends with rest, of less than
// 64 KiB: a last block that is stored as it is, then checksum and length of all.
func (z gzipped) end(rest []byte) []byte {
	size := uint16(len(rest))
	b := append(make([]byte, 0, len(rest)+13), 1)
	b = binary.LittleEndian.AppendUint16(b, size)
	b = binary.LittleEndian.AppendUint16(b, ^size)
	b = append(b, rest...)
	b = binary.LittleEndian.AppendUint32(b, crc32.Update(z.sum, crc32.IEEETable, rest))
	return binary.LittleEndian.AppendUint32(b, uint32(z.size+len(rest)))
}

// takesGzip tells whether the client unpacks an answer.
func takesGzip(h http.Header) bool {
	for coding := range strings.SplitSeq(strings.Join(h.Values("Accept-Encoding"), ","), ",") {
		name, params, err := mime.ParseMediaType(coding)
		if err != nil || name != "gzip" {
			continue
		}
		q, given := params["q"]
		weight, err := strconv.ParseFloat(q, 64)
		return !given || err == nil && weight > 0
	}
	return false
}
