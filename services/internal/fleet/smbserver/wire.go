package smbserver

import (
	"encoding/binary"
	"time"
	"unicode/utf16"
)

// header is the fixed part of every message, [MS-SMB2] 2.2.1.2. The signature stays where it is in the raw message.
type header struct {
	charge    uint16
	status    Status
	command   Command
	credits   uint16
	flags     uint32
	next      uint32
	messageID uint64
	treeID    uint32
	sessionID uint64
}

const (
	headerSize      = 64
	signatureOffset = 48

	flagResponse = 0x1
	flagAsync    = 0x2
	flagRelated  = 0x4
	flagSigned   = 0x8
)

// decodeHeader reads the header of a message; ok is false if it is none.
func decodeHeader(b []byte) (h header, ok bool) {
	if len(b) < headerSize || string(b[:4]) != "\xfeSMB" || binary.LittleEndian.Uint16(b[4:]) != headerSize {
		return header{}, false
	}
	return header{
		charge:    binary.LittleEndian.Uint16(b[6:]),
		status:    Status(binary.LittleEndian.Uint32(b[8:])),
		command:   Command(binary.LittleEndian.Uint16(b[12:])),
		credits:   binary.LittleEndian.Uint16(b[14:]),
		flags:     binary.LittleEndian.Uint32(b[16:]),
		next:      binary.LittleEndian.Uint32(b[20:]),
		messageID: binary.LittleEndian.Uint64(b[24:]),
		treeID:    binary.LittleEndian.Uint32(b[36:]),
		sessionID: binary.LittleEndian.Uint64(b[40:]),
	}, true
}

// append writes the header, with an empty signature.
func (h header) append(b []byte) []byte {
	le := binary.LittleEndian
	b = append(b, "\xfeSMB"...)
	b = le.AppendUint16(b, headerSize)
	b = le.AppendUint16(b, h.charge)
	b = le.AppendUint32(b, uint32(h.status))
	b = le.AppendUint16(b, uint16(h.command))
	b = le.AppendUint16(b, h.credits)
	b = le.AppendUint32(b, h.flags)
	b = le.AppendUint32(b, h.next)
	b = le.AppendUint64(b, h.messageID)
	b = le.AppendUint32(b, 0)
	b = le.AppendUint32(b, h.treeID)
	b = le.AppendUint64(b, h.sessionID)
	return append(b, make([]byte, 16)...)
}

// part cuts n bytes at offset out of b; ok is false if they are not all there.
func part(b []byte, offset, n int) (cut []byte, ok bool) {
	if offset < 0 || n < 0 || offset > len(b) || n > len(b)-offset {
		return nil, false
	}
	return b[offset : offset+n], true
}

// decodeUTF16 reads little-endian UTF-16; an odd last byte is dropped, an unpaired surrogate becomes U+FFFD.
func decodeUTF16(b []byte) string {
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return string(utf16.Decode(units))
}

// encodeUTF16 writes s in little-endian UTF-16, without a terminator.
func encodeUTF16(s string) []byte {
	b := make([]byte, 0, 2*len(s))
	for _, unit := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, unit)
	}
	return b
}

// filetime counts 100 ns since 1601-01-01 UTC, [MS-DTYP] 2.3.3; the zero time, and any before 1601, is 0.
func filetime(t time.Time) uint64 {
	const unixEpoch = 116444736000000000
	ticks := t.Unix()*1e7 + int64(t.Nanosecond())/100 + unixEpoch
	if t.IsZero() || ticks < 0 {
		return 0
	}
	return uint64(ticks)
}
