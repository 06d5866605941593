package smb_test

import (
	"context"
	"encoding/binary"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/fleet"
	"backupmonitor/services/internal/fleet/fault"
	"backupmonitor/services/internal/fleet/smbserver"
	"backupmonitor/services/prober/smb"
)

// FuzzListing puts any bytes in place of the first part of a listing, properly
// signed, and holds what the look makes of them against what they say.
func FuzzListing(f *testing.F) {
	var body atomic.Pointer[[]byte]
	tape := &tape{}
	put := fault.Do("put", func(_ context.Context, conn net.Conn, r *smbserver.Response) error {
		if b := body.Load(); b != nil {
			r.Frame = append(r.Frame[:4+64], *b...)
			binary.BigEndian.PutUint32(r.Frame, uint32(len(r.Frame)-4))
			r.Sign(r.Frame[4:])
		}
		_, err := conn.Write(r.Frame)
		return err
	})
	faults := fault.List{fault.To(smbserver.QueryDirectory, 1, put)}
	o := start(f, func(ctx context.Context, conn net.Conn, r *smbserver.Response) error {
		return faults.Write(ctx, taped{conn, tape}, r, nil)
	}, fleet.New(fleet.Plan{Code: "S0001", Preset: fleet.EmptyFolder, Seed: 7, Now: time.Now()}))[0]

	for _, preset := range []fleet.Preset{fleet.Good, fleet.LongNames, fleet.EmptyFolder, fleet.UnicodeNames} {
		for _, message := range answersOf(f, preset) {
			f.Add(message[64:])
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<20 {
			return
		}
		body.Store(&b)
		tape.set(nil)
		ctx, cancel := context.WithTimeout(t.Context(), mutationTime)
		defer cancel()
		r := smb.Look(ctx, smb.Options{}, dOnly(o.Addr()), today(time.Now()))[0]
		gone(t, o)
		v := judge(r)
		if err := wellFormed(r, v); err != nil {
			t.Fatal(err)
		}
		if v.Cause == events.CauseOK {
			if err := stated(tape.bytes(), r, v); err != nil {
				t.Fatalf("%v: %+v", err, r)
			}
		}
	})
}

// answersOf gives the listings that an outlet of a preset answers a look with.
func answersOf(t testing.TB, preset fleet.Preset) [][]byte {
	t.Helper()
	tape := &tape{}
	o := outlet(t, preset, func(ctx context.Context, conn net.Conn, r *smbserver.Response) error {
		return fault.List(nil).Write(ctx, taped{conn, tape}, r, nil)
	})
	look(t, patience, dOnly(o.Addr()))
	var listings [][]byte
	for _, m := range framesOf(tape.bytes()) {
		if binary.LittleEndian.Uint16(m[12:]) == uint16(smbserver.QueryDirectory) && binary.LittleEndian.Uint32(m[8:]) == 0 {
			listings = append(listings, m)
		}
	}
	return listings
}
