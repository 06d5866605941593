package smb_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/cloudsoda/go-smb2"

	"backupmonitor/events"
	"backupmonitor/services/internal/fleet"
	"backupmonitor/services/prober/smb"
)

// BenchmarkLook is one look at one outlet, dialling included, in one mode and
// in both, beside the least that the same library needs to list one folder.
func BenchmarkLook(b *testing.B) {
	o := outlet(b, fleet.Good, nil)
	both := bothModes(o.Addr(), account())
	one := both
	one.Places = both.Places[:1]
	b.Run("bare", func(b *testing.B) {
		for b.Loop() {
			if err := bareLook(b.Context(), o.Addr()); err != nil {
				b.Fatal(err)
			}
		}
	})
	for name, target := range map[string]smb.Target{"one mode": one, "both modes": both} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				ctx, cancel := context.WithTimeout(b.Context(), patience)
				for _, r := range smb.Look(ctx, smb.Options{}, target, today(time.Now())) {
					if v := judge(r); v.Cause != events.CauseOK {
						b.Fatalf("%s: %s", v.Cause, v.Detail)
					}
				}
				cancel()
			}
		})
	}
}

// bareLook dials, signs in, lists a folder and hangs up.
func bareLook(ctx context.Context, address string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	d := smb2.Dialer{
		Negotiator: smb2.Negotiator{RequireMessageSigning: true},
		Initiator:  &smb2.NTLMInitiator{User: fleet.DefaultUser, Password: fleet.DefaultPassword},
	}
	session, err := d.DialConn(ctx, conn, address)
	if err != nil {
		return err
	}
	share, err := session.WithContext(ctx).Mount(fleet.DShare)
	if err != nil {
		return err
	}
	_, err = share.WithContext(ctx).ReadDir(fleet.BackupFolder)
	return err
}
