package smb_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"backupmonitor/services/internal/fleet"
	"backupmonitor/services/internal/fleet/smbserver"
	"backupmonitor/services/prober/smb"
)

// TestGarbledAnswers changes bytes of properly signed answers: the process
// lives, every look ends in time, and what it reports can be stored.
func TestGarbledAnswers(t *testing.T) {
	t.Parallel()
	const within = 400 * time.Millisecond
	for seed := range uint64(32) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			o := outlet(t, fleet.SeveralUSB, garble(seed))
			ctx, cancel := context.WithTimeout(t.Context(), within)
			defer cancel()
			began := time.Now()
			results := smb.Look(ctx, smb.Options{}, bothModes(o.Addr(), account()), today(began))
			if took := time.Since(began); took > within+10*time.Second {
				t.Errorf("the look took %v", took)
			}
			if _, err := json.Marshal(results); err != nil {
				t.Errorf("what was seen cannot be stored: %v", err)
			}
			for _, r := range results {
				if r.Error == nil && len(r.Drives) == 0 || r.Error != nil && len(r.Drives) > 0 {
					t.Errorf("%s: error %+v, drives %+v", r.Mode, r.Error, r.Drives)
				}
				for _, d := range r.Drives {
					if d.Error != nil && (len(d.Files) > 0 || d.FileCount > 0) {
						t.Errorf("%s: %d files beside an error", d.Share, d.FileCount)
					}
				}
				if v := judge(r); v.Detail == "" && v.File == nil {
					t.Errorf("%s: %+v", r.Mode, v)
				}
			}
		})
	}
}

// garble spoils one to three bytes in one of three answers, behind the header
// and, where there is a key, under a right signature.
func garble(seed uint64) smbserver.Intercept {
	var mu sync.Mutex
	vary := rand.New(rand.NewPCG(seed, 5))
	return func(_ context.Context, conn net.Conn, r *smbserver.Response) error {
		mu.Lock()
		if message := r.Frame[4:]; vary.IntN(3) == 0 && len(message) > 64 {
			for range 1 + vary.IntN(3) {
				message[64+vary.IntN(len(message)-64)] = byte(vary.Uint32())
			}
			r.Sign(message)
		}
		mu.Unlock()
		_, err := conn.Write(r.Frame)
		return err
	}
}
