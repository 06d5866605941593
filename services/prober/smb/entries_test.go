package smb_test

import (
	"context"
	"encoding/binary"
	"net"
	"strings"
	"testing"

	"backupmonitor/events"
	"backupmonitor/services/internal/fleet/fault"
	"backupmonitor/services/internal/fleet/smbserver"
	"backupmonitor/services/prober/smb"
)

// TestEntries: a listing whose entries do not follow each other is none.
func TestEntries(t *testing.T) {
	t.Parallel()
	for _, offset := range []uint32{1, 4, 8, 104, 105, 120, 300, 1000, 100_000, 1 << 31, 1<<32 - 1} {
		f := fault.To(smbserver.QueryDirectory, 1, fault.NextEntry(offset))
		t.Run(f.String(), func(t *testing.T) {
			t.Parallel()
			o := faulty(t, f)
			r := look(t, patience, dOnly(o.Addr()))[events.DDrive]
			if e := lookError(r); e == nil || e.Code != events.CauseProtocolError || e.Step != smb.StepList || !strings.Contains(e.Detail, "malformed") {
				t.Errorf("%+v", e)
			}
			checkNothingSeen(t, r)
			gone(t, o)
		})
	}
}

// TestOverlappingEntries: a listing whose entries lie over each other, each
// with a name of half a megabyte, would make of one answer more than any
// machine has memory for.
func TestOverlappingEntries(t *testing.T) {
	t.Parallel()
	const room, name = 1 << 20, 1 << 19
	bomb := fault.Do("overlapping entries", func(_ context.Context, conn net.Conn, r *smbserver.Response) error {
		le := binary.LittleEndian
		body := le.AppendUint32([]byte{9, 0, 64 + 8, 0}, room)
		for range room / 8 {
			body = le.AppendUint32(le.AppendUint32(body, 8), name) // every field is one of these
		}
		r.Frame = append(r.Frame[:4+64], body...)
		binary.BigEndian.PutUint32(r.Frame, uint32(len(r.Frame)-4))
		r.Sign(r.Frame[4:])
		_, err := conn.Write(r.Frame)
		return err
	})
	r := look(t, patience, dOnly(faulty(t, fault.To(smbserver.QueryDirectory, 1, bomb)).Addr()))[events.DDrive]
	if e := lookError(r); e == nil || e.Code != events.CauseProtocolError || !strings.Contains(e.Detail, "malformed listing") {
		t.Errorf("%+v", e)
	}
	checkNothingSeen(t, r)
}
