package smb

import (
	"encoding/binary"
	"errors"
	"time"
)

// Sizes of what stands at the beginning of every frame.
const (
	transportSize = 4  // a zero byte and three of length; [MS-SMB2] 2.1
	headerSize    = 64 // [MS-SMB2] 2.2.1
	// prefixSize reaches to the end of SystemTime in a NEGOTIATE answer, the
	// last field that is read here; [MS-SMB2] 2.2.4.
	prefixSize = headerSize + 48

	// maxFrame bounds what a server can make us keep in memory. The client
	// asks for answers of at most 1 MiB.
	maxFrame = 2 << 20
	// maxFrameSignIn bounds it for hosts that have not shown yet that they
	// know the password. Their answers are a few hundred bytes.
	maxFrameSignIn = 128 << 10
)

// Commands that are looked into; [MS-SMB2] 2.2.1.
const (
	commandNegotiate    = 0
	commandSessionSetup = 1
)

var errFrameTooLarge = errors.New("the server announced a frame that is too large")

// framer finds the frames in a stream of bytes and keeps the beginning of the
// one that is under way.
type framer struct {
	transport [transportSize]byte
	prefix    [prefixSize]byte
	have      int // of transport
	length    int // of the frame, without transport
	passed    int // of the frame
}

// feed takes the next bytes of the stream. It calls whole for each frame that
// they complete, with its beginning.
func (f *framer) feed(p []byte, limit func() int, whole func(prefix []byte)) error {
	for len(p) > 0 {
		if f.have < transportSize {
			n := copy(f.transport[f.have:], p)
			f.have, p = f.have+n, p[n:]
			if f.have < transportSize {
				return nil
			}
			f.length, f.passed = int(binary.BigEndian.Uint32(f.transport[:])&0xFFFFFF), 0
			if f.length > limit() {
				return errFrameTooLarge
			}
		}
		n := min(len(p), f.length-f.passed)
		if f.passed < prefixSize {
			copy(f.prefix[f.passed:], p[:n])
		}
		f.passed, p = f.passed+n, p[n:]
		if f.passed == f.length {
			whole(f.prefix[:min(f.length, prefixSize)])
			f.have = 0
		}
	}
	return nil
}

// message is the beginning of an SMB2 message; [MS-SMB2] 2.2.1.2.
type message []byte

// plain tells an SMB2 message from an encrypted one and from anything else.
func (m message) plain() bool {
	return len(m) >= headerSize && string(m[:4]) == "\xFESMB"
}

func (m message) creditCharge() int { return int(binary.LittleEndian.Uint16(m[6:])) }
func (m message) status() uint32    { return binary.LittleEndian.Uint32(m[8:]) }
func (m message) command() uint16   { return binary.LittleEndian.Uint16(m[12:]) }
func (m message) credits() int      { return int(binary.LittleEndian.Uint16(m[14:])) }

// negotiated reads the answer to NEGOTIATE; [MS-SMB2] 2.2.4. ok is false for
// anything else.
func (m message) negotiated() (n negotiated, ok bool) {
	if len(m) < prefixSize || m.command() != commandNegotiate || m.status() != 0 ||
		binary.LittleEndian.Uint16(m[headerSize:]) != 65 {
		return n, false
	}
	body := m[headerSize:]
	n.largeMTU = binary.LittleEndian.Uint32(body[24:])&4 != 0 // SMB2_GLOBAL_CAP_LARGE_MTU
	n.maxTransact = binary.LittleEndian.Uint32(body[28:])
	n.systemTime = fileTime(binary.LittleEndian.Uint64(body[40:]))
	return n, true
}

// unverified tells whether an accepted SESSION_SETUP let us in as a guest or as
// nobody: such a session is not signed; [MS-SMB2] 2.2.6.
func (m message) unverified() bool {
	return len(m) >= headerSize+4 && binary.LittleEndian.Uint16(m[headerSize+2:])&3 != 0
}

// negotiated is what is read of an answer to NEGOTIATE.
type negotiated struct {
	largeMTU    bool
	maxTransact uint32
	systemTime  time.Time // zero: none
}

// Source of both: [MS-DTYP] 2.3.3, FILETIME: intervals of 100 ns since 1601.
const (
	fileTimePerSecond = 10_000_000
	fileTimeOfUnix    = 11_644_473_600 // seconds from 1601 to 1970
)

// fileTime is a FILETIME as a time in UTC; zero where it is 0, which means
// none, or no time that a clock can sensibly show.
func fileTime(v uint64) time.Time {
	seconds := int64(v/fileTimePerSecond) - fileTimeOfUnix
	t := time.Unix(seconds, int64(v%fileTimePerSecond)*100).UTC()
	if v == 0 || t.Year() < 1970 || t.Year() > 2200 {
		return time.Time{}
	}
	return t
}
