package smb_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"slices"
	"testing"

	"backupmonitor/events"
	"backupmonitor/services/internal/fleet"
	"backupmonitor/services/internal/fleet/smbserver"
)

// frame puts messages into one frame, chained as a compound is.
func frame(messages ...[]byte) []byte {
	out := make([]byte, 4)
	for i, m := range messages {
		m = bytes.Clone(m)
		if i < len(messages)-1 {
			for len(m)%8 != 0 {
				m = append(m, 0)
			}
			binary.LittleEndian.PutUint32(m[20:], uint32(len(m)))
		}
		out = append(out, m...)
	}
	binary.BigEndian.PutUint32(out, uint32(len(out)-4))
	return out
}

// TestForgedGuest plays a server that does not know the password. It would
// have us believe that we are a guest, whose answers need no signature, and
// hides that from who watches the sign-in: behind an answer to a question that
// nobody asked, or inside a compound. Then it may say what it likes.
func TestForgedGuest(t *testing.T) {
	t.Parallel()
	stranger := func(m []byte) []byte { // an answer to a message that was never sent
		m = bytes.Clone(m)
		binary.LittleEndian.PutUint64(m[24:], 4711)
		return m
	}
	guest := func(m []byte) []byte {
		m = bytes.Clone(m)
		binary.LittleEndian.PutUint16(m[64+2:], 1) // SMB2_SESSION_FLAG_IS_GUEST
		return m
	}
	hidden := map[string]func(m []byte) []byte{
		"behind another frame": func(m []byte) []byte { return slices.Concat(frame(stranger(m)), frame(guest(m))) },
		"in a compound":        func(m []byte) []byte { return frame(stranger(m), guest(m)) },
		"in a compound, first": func(m []byte) []byte { return frame(guest(m), stranger(m)) },
		"sent twice":           func(m []byte) []byte { return slices.Concat(frame(m), frame(guest(m))) },
		"openly":               func(m []byte) []byte { return frame(guest(m)) },
	}
	for name, hide := range hidden {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			forge := func(_ context.Context, conn net.Conn, r *smbserver.Response) error {
				switch m := r.Frame[4:]; {
				case r.Command == smbserver.SessionSetup && binary.LittleEndian.Uint32(m[8:]) == 0:
					r.Frame = hide(m)
				case r.Command > smbserver.SessionSetup:
					clear(m[48:64]) // the signature
				}
				_, err := conn.Write(r.Frame)
				return err
			}
			o := outlet(t, fleet.Good, forge)
			if err := o.Change(func(truth *fleet.Truth) { truth.TakesUnsigned = true }); err != nil {
				t.Fatal(err)
			}
			r := look(t, patience, dOnly(o.Addr()))[events.DDrive]
			if v := judge(r); v.Conclusive {
				t.Errorf("%s: %+v", v.Cause, v.File)
			}
			if e := lookError(r); e == nil {
				t.Errorf("%+v", r)
			}
		})
	}
}
