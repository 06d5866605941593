package smb_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"sync/atomic"
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

// BenchmarkBesideHostile looks at a healthy outlet again and again, in turns
// alone and while 50 hostile ones are looked at: silent, slow, broken, garbled.
// Those come back after a second, as retries do. It gives the medians of both,
// and how many looks at hostile outlets there were.
func BenchmarkBesideHostile(b *testing.B) {
	const hostile, turns, turn, pause = 50, 5, 2 * time.Second, time.Second
	healthy := outlet(b, fleet.Good, nil)
	_, others := hostileFleet(b)
	one := func() time.Duration {
		ctx, cancel := context.WithTimeout(b.Context(), patience)
		defer cancel()
		began := time.Now()
		for _, r := range smb.Look(ctx, smb.Options{}, bothModes(healthy.Addr(), account()), today(began)) {
			if v := judge(r); v.Cause != events.CauseOK {
				b.Fatalf("%s: %s", v.Cause, v.Detail)
			}
		}
		return time.Since(began)
	}
	var alone, beside []time.Duration
	var vain atomic.Int64
	for b.Loop() {
		for i := range turns {
			for began := time.Now(); time.Since(began) < turn; {
				alone = append(alone, one())
			}
			ctx, cancel := context.WithCancel(b.Context())
			var busy sync.WaitGroup
			for k := range hostile {
				o := others[(i*hostile+k)%len(others)]
				busy.Go(func() {
					for ctx.Err() == nil {
						within, stop := context.WithTimeout(ctx, 3*time.Second)
						smb.Look(within, smb.Options{}, bothModes(o.Addr(), account()), today(time.Now()))
						stop()
						vain.Add(1)
						select {
						case <-time.After(pause):
						case <-ctx.Done():
						}
					}
				})
			}
			for began := time.Now(); time.Since(began) < turn; {
				beside = append(beside, one())
			}
			cancel()
			busy.Wait()
		}
	}
	b.ReportMetric(median(alone), "ms-alone")
	b.ReportMetric(median(beside), "ms-beside")
	b.ReportMetric(median(beside)/median(alone), "times")
	b.ReportMetric(float64(vain.Load()), "hostile-looks")
	b.ReportMetric(0, "ns/op")
}

func median(d []time.Duration) float64 {
	slices.Sort(d)
	return smb.Milliseconds(d[len(d)/2])
}
