package smb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// spoken is a connection on which the other end has said everything it will.
type spoken struct {
	net.Conn
	rest io.Reader
}

func (s spoken) Read(p []byte) (int, error)       { return s.rest.Read(p) }
func (s spoken) Write(p []byte) (int, error)      { return len(p), nil }
func (s spoken) SetReadDeadline(time.Time) error  { return nil }
func (s spoken) SetWriteDeadline(time.Time) error { return nil }

// asked is a message as we send it.
func asked(command uint16, id uint64) []byte {
	m := make([]byte, headerSize+8)
	copy(m, "\xFESMB\x40")
	binary.LittleEndian.PutUint16(m[12:], command)
	binary.LittleEndian.PutUint64(m[24:], id)
	return m
}

// FuzzWire lets a stranger say anything on a connection on which we have asked
// for everything: nothing is changed on its way to the library, nothing that
// the library sees whole is too large, chained or unasked for, and of what is
// read of it nothing cannot be.
func FuzzWire(f *testing.F) {
	frame := func(messages ...[]byte) []byte {
		var b []byte
		for _, m := range messages {
			b = append(binary.BigEndian.AppendUint32(b, uint32(len(m))), m...)
		}
		return b
	}
	answer := func(command uint16, id uint64, size int) []byte {
		m := make([]byte, headerSize+size)
		copy(m, asked(command, id)[:headerSize])
		m[16] = 1
		return m
	}
	negotiate := answer(commandNegotiate, 0, 64)
	negotiate[headerSize], negotiate[headerSize+4], negotiate[headerSize+5] = 65, 0x11, 0x03
	signIn := answer(commandSessionSetup, 2, 8)
	f.Add(frame(negotiate, signIn))
	f.Add(frame(negotiate, answer(commandQueryDirectory, 3, 300)))
	f.Add([]byte("\x00\xFF\xFF\xFF"))
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
	f.Add(frame([]byte("\xFFSMBr"), []byte("\xFDSMB")))
	f.Fuzz(func(t *testing.T, stream []byte) {
		w := newWire(spoken{rest: bytes.NewReader(stream)}, time.Second, time.Time{}, time.Now)
		for id, command := range []uint16{commandNegotiate, commandSessionSetup, commandSessionSetup, commandQueryDirectory} {
			if _, err := w.Write(frame(asked(command, uint64(id)))[:transportSize]); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(asked(command, uint64(id))); err != nil {
				t.Fatal(err)
			}
		}
		read, err := io.ReadAll(w)
		if !bytes.HasPrefix(stream, read) {
			t.Fatal("the library reads what was not sent")
		}
		if err != nil && !errors.As(err, new(misbehaviour)) {
			t.Fatalf("%T: %v", err, err)
		}
		checkSeen(t, w.look())
		if err == nil && len(read) != len(stream) {
			t.Errorf("%d bytes of %d", len(read), len(stream))
		}
	})
}

func checkSeen(t *testing.T, seen sighting) {
	t.Helper()
	if c := seen.clock(); c.Known() && (c.Server.Year() < 1970 || c.Server.Year() > 2200) {
		t.Errorf("clock %v", c)
	}
	if seen.traffic.Received > 4+1 && seen.negotiated != nil && seen.signedIn && seen.signIn != 0 {
		t.Errorf("%+v", seen)
	}
	if seen.credits > libraryCredits || seen.signedIn && seen.signIn != 0 {
		t.Errorf("%+v", seen)
	}
}

// FuzzEntries: a listing is judged the same in whatever pieces it arrives, and
// what passes is entries one after the other.
func FuzzEntries(f *testing.F) {
	entry := func(next int, name string, gap ...byte) []byte {
		b := make([]byte, entryFixed, 300)
		binary.LittleEndian.PutUint32(b, uint32(next))
		binary.LittleEndian.PutUint32(b[60:], uint32(len(name)))
		return append(append(b, name...), gap...)
	}
	answer := func(entries ...[]byte) []byte {
		all := bytes.Join(entries, nil)
		b := []byte{9, 0, headerSize + listingFixed, 0}
		return append(binary.LittleEndian.AppendUint32(b, uint32(len(all))), all...)
	}
	f.Add(answer(entry(0, "a\x00")), byte(1))
	f.Add(answer(entry(112, ".\x00", 1, 2, 3, 4, 5, 6), entry(0, "b\x00.\x00", 0, 0, 0, 0, 0, 0, 0, 0)), byte(7))
	f.Add(answer(entry(8, "a\x00"), entry(0, "b\x00")), byte(100))
	f.Add(answer(entry(216, "a\x00"), entry(0, "b\x00"), entry(0, "c\x00")), byte(3))
	f.Add(answer(), byte(0))
	f.Fuzz(func(t *testing.T, body []byte, part byte) {
		var whole, parts entries
		err := whole.feed(body)
		var partErr error
		for rest := body; len(rest) > 0 && partErr == nil; {
			n := min(len(rest), int(part)+1)
			partErr, rest = parts.feed(rest[:n]), rest[n:]
		}
		if !errors.Is(partErr, err) {
			t.Fatalf("whole: %v, in parts: %v", err, partErr)
		}
		if err != nil || !whole.last || whole.at < whole.end {
			return
		}
		le := binary.LittleEndian
		rest := body[int(le.Uint16(body[2:]))-headerSize:][:le.Uint32(body[4:])]
		for {
			next, name := int(le.Uint32(rest)), int(le.Uint32(rest[60:]))
			if entryFixed+name > len(rest) || next != 0 && next < entryFixed+name {
				t.Fatalf("an entry of %d and a name of %d bytes in %d", next, name, len(rest))
			}
			if next == 0 {
				return
			}
			rest = rest[next:]
		}
	})
}

// FuzzAddress: what administrators write is an address or an error.
func FuzzAddress(f *testing.F) {
	for _, s := range []string{"10.1.2.3", "shop7:1445", "[fe80::1%eth0]:1445", "fe80::1", "a:b:c", "[", "]:1", ":445", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, address string) {
		host, hostPort, err := dialAddress(address, DefaultPort)
		if err != nil {
			return
		}
		if _, _, err := net.SplitHostPort(hostPort); host == "" || err != nil {
			t.Errorf("%q: host %q, dial %q: %v", address, host, hostPort, err)
		}
		_ = uncShare(host, address)
		_ = NewCredential(address, "", address).String()
	})
}
