package smb_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"testing"
	"time"

	"backupmonitor/services/internal/fleet"
	"backupmonitor/services/internal/fleet/smbserver"
	"backupmonitor/services/prober/smb"
)

// TestFeignedSignIn plays servers that let everybody in, since they cannot tell
// a right password from a wrong one. Nobody may hear from them that an account
// of a domain is good: it takes the password to sign what follows.
func TestFeignedSignIn(t *testing.T) {
	t.Parallel()
	const more, refused = uint32(smbserver.StatusMoreProcessingRequired), uint32(smbserver.StatusLogonFailure)
	succeed := func(m []byte, id uint64) []byte {
		m = bytes.Clone(m)
		binary.LittleEndian.PutUint32(m[8:], 0)
		binary.LittleEndian.PutUint64(m[24:], id)
		return frame(m)
	}
	for name, at := range map[string]uint32{"at the first message": more, "at the password": refused} {
		forger := func() smbserver.Intercept {
			var challenge []byte // of the connection's one sign-in
			return func(_ context.Context, conn net.Conn, r *smbserver.Response) error {
				m := r.Frame[4:]
				if r.Command == smbserver.SessionSetup {
					status, id := binary.LittleEndian.Uint32(m[8:]), binary.LittleEndian.Uint64(m[24:])
					if status == more {
						challenge = bytes.Clone(m)
					}
					if status == at {
						r.Frame = succeed(challenge, id)
					}
				}
				_, err := conn.Write(r.Frame)
				return err
			}
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, target := &ledger{}, inDomain(outlet(t, fleet.Good, forger()).Addr(), "wrong")
			lookWith(t, patience, smb.Options{Breaker: l, IdleTimeout: 2 * time.Second}, target, nil)
			if len(l.outcomes) != 1 || l.outcomes[0].Answer == smb.AnswerAccepted {
				t.Errorf("told %+v", l.outcomes)
			}
			address := outlet(t, fleet.Good, forger()).Addr()
			if o := smb.SignIn(t.Context(), smb.Options{IdleTimeout: 2 * time.Second}, target.Places[0].Credential, address); o.Answer == smb.AnswerAccepted {
				t.Errorf("asked, it says %+v", o)
			}
		})
	}
}
