package smb_test

import (
	"context"
	"encoding/binary"
	"net"
	"strings"
	"testing"

	"backupmonitor/events"
	"backupmonitor/services/internal/fleet"
	"backupmonitor/services/internal/fleet/smbserver"
	"backupmonitor/services/prober/smb"
)

// TestAbsentOrNotReady: a drive is absent when the server says so; one that is
// there and does not work yet, as a disk that spins up, was not looked at.
func TestAbsentOrNotReady(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status uint32 // [MS-ERREF] 2.3.1
		cause  events.Cause
		detail string
	}{
		"NO_MEDIA_IN_DEVICE":   {0xC0000013, events.CauseDriveMissing, "no medium"},
		"NO_MEDIA":             {0xC0000178, events.CauseDriveMissing, "no medium"},
		"DEVICE_NOT_READY":     {0xC00000A3, events.CauseProtocolError, "not ready"},
		"DEVICE_NOT_CONNECTED": {0xC000009D, events.CauseProtocolError, "not ready"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refuse := func(_ context.Context, conn net.Conn, r *smbserver.Response) error {
				binary.LittleEndian.PutUint32(r.Frame[4+8:], c.status)
				body := r.Frame[4+64:] // becomes an error response without data, [MS-SMB2] 2.2.2
				clear(body)
				body[0] = 9
				r.Sign(r.Frame[4:])
				_, err := conn.Write(r.Frame)
				return err
			}
			r := look(t, patience, dOnly(outlet(t, fleet.Good, at(smbserver.Create, 1, refuse)).Addr()))[events.DDrive]
			e := lookError(r)
			if e == nil || e.Code != c.cause || e.Step != smb.StepFolder || !strings.Contains(e.Detail, c.detail) {
				t.Errorf("%+v, want %s", e, c.cause)
			}
			if v := judge(r); v.Cause != c.cause {
				t.Errorf("judged %s: %s", v.Cause, v.Detail)
			}
		})
	}
}
