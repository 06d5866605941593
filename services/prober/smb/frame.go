package smb

import (
	"encoding/binary"
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
	commandNegotiate      = 0
	commandSessionSetup   = 1
	commandCancel         = 12
	commandQueryDirectory = 14
)

// framer finds the frames in a stream of bytes and keeps the beginning of the
// one that is under way.
type framer struct {
	transport [transportSize]byte
	prefix    [prefixSize]byte
	have      int // of transport
	length    int // of the frame, without transport
	passed    int // of the frame
}

// frameSink is told of the frames that a framer finds. Its errors end the
// stream.
type frameSink interface {
	limit() int            // how long a frame may be now
	header(m message)      // of a frame that is under way
	body(p []byte) error   // the next bytes after the header
	whole(m message) error // the beginning of a frame that is complete
}

// feed takes the next bytes of the stream.
func (f *framer) feed(p []byte, sink frameSink) error {
	for len(p) > 0 {
		if f.have < transportSize {
			n := copy(f.transport[f.have:], p)
			f.have, p = f.have+n, p[n:]
			if f.have < transportSize {
				return nil
			}
			f.length, f.passed = int(binary.BigEndian.Uint32(f.transport[:])&0xFFFFFF), 0
			if f.length > sink.limit() {
				return errTooLarge
			}
		}
		n := min(len(p), f.length-f.passed)
		if f.passed < headerSize {
			n = min(n, headerSize-f.passed)
		}
		if err := f.take(p[:n], sink); err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

// take takes bytes of the frame, of the header or of the body.
func (f *framer) take(p []byte, sink frameSink) error {
	if f.passed < prefixSize {
		copy(f.prefix[f.passed:], p)
	}
	f.passed += len(p)
	switch {
	case len(p) == 0:
	case f.passed == headerSize:
		sink.header(f.prefix[:headerSize])
	case f.passed > headerSize:
		if err := sink.body(p); err != nil {
			return err
		}
	}
	if f.passed < f.length {
		return nil
	}
	f.have = 0
	return sink.whole(f.prefix[:min(f.length, prefixSize)])
}

// message is the beginning of an SMB2 message; [MS-SMB2] 2.2.1.2.
type message []byte

// plain tells an SMB2 message from an encrypted one and from anything else.
func (m message) plain() bool {
	return len(m) >= headerSize && string(m[:4]) == "\xFESMB" && binary.LittleEndian.Uint16(m[4:]) == headerSize
}

// encrypted tells an encrypted message; [MS-SMB2] 2.2.41.
func (m message) encrypted() bool { return len(m) >= 4 && string(m[:4]) == "\xFDSMB" }

// smb1 tells a message of the protocol's first version; [MS-CIFS] 2.2.3.1.
func (m message) smb1() bool { return len(m) >= 4 && string(m[:4]) == "\xFFSMB" }

func (m message) creditCharge() int { return int(binary.LittleEndian.Uint16(m[6:])) }
func (m message) status() uint32    { return binary.LittleEndian.Uint32(m[8:]) }
func (m message) command() uint16   { return binary.LittleEndian.Uint16(m[12:]) }
func (m message) credits() int      { return int(binary.LittleEndian.Uint16(m[14:])) }
func (m message) isAnswer() bool    { return m[16]&1 != 0 }
func (m message) next() uint32      { return binary.LittleEndian.Uint32(m[20:]) }
func (m message) id() uint64        { return binary.LittleEndian.Uint64(m[24:]) }

// negotiated reads the answer to NEGOTIATE; [MS-SMB2] 2.2.4. ok is false for
// anything else.
func (m message) negotiated() (n negotiated, ok bool) {
	if len(m) < prefixSize || m.command() != commandNegotiate || m.status() != 0 ||
		binary.LittleEndian.Uint16(m[headerSize:]) != 65 {
		return n, false
	}
	body := m[headerSize:]
	n.dialect = binary.LittleEndian.Uint16(body[4:])
	n.largeMTU = binary.LittleEndian.Uint32(body[24:])&4 != 0 // SMB2_GLOBAL_CAP_LARGE_MTU
	n.maxTransact = binary.LittleEndian.Uint32(body[28:])
	n.systemTime = clockTime(binary.LittleEndian.Uint64(body[40:]))
	return n, true
}

// unverified tells whether an accepted SESSION_SETUP let us in as a guest or as
// nobody: such a session is not signed; [MS-SMB2] 2.2.6.
func (m message) unverified() bool {
	return len(m) >= headerSize+4 && binary.LittleEndian.Uint16(m[headerSize+2:])&3 != 0
}

// negotiated is what is read of an answer to NEGOTIATE.
type negotiated struct {
	dialect     uint16
	largeMTU    bool
	maxTransact uint32
	systemTime  time.Time // zero: none
}
