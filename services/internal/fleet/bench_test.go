package fleet_test

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"backupmonitor/services/internal/fleet"
	"backupmonitor/services/internal/sambatest"
)

// BenchmarkLook measures whole looks, 32 at once: dial, sign in, list a folder of 14 files, hang up.
func BenchmarkLook(b *testing.B) {
	files := make(fleet.Files, 14)
	for i := range files {
		files[i] = fleet.File{Name: fmt.Sprintf("DB_B0001_202603%02d.bak", i+1), Size: 1 << 30, Modified: sample().AddDate(0, 0, i)}
	}
	b.Run("fleet", func(b *testing.B) {
		o := one(b, files)
		measure(b, o.Addr(), fleet.DefaultUser, fleet.DefaultPassword)
	})
	b.Run("samba", func(b *testing.B) {
		s := sambatest.Start(b, sambatest.Config{})
		for _, file := range files {
			sambatest.Write(b, filepath.Join(s.Dir(b, 0, "d$"), fleet.BackupFolder, file.Name), file.Size, file.Modified)
		}
		measure(b, s.Addr(0), s.User, s.Password)
	})
}

func measure(b *testing.B, addr, user, password string) {
	b.Helper()
	const concurrency = 32
	b.SetParallelism(max(1, concurrency/runtime.GOMAXPROCS(0)))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if n, err := lookOnce(addr, user, password); err != nil || n != 14 {
				b.Errorf("listed %d files: %v", n, err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "looks/s")
}

func lookOnce(addr, user, password string) (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	session, err := signIn(ctx, conn, user, password, 0)
	if err != nil {
		return 0, err
	}
	c := &client{ctx, session.WithContext(ctx)}
	infos, err := c.list(fleet.DShare, fleet.BackupFolder)
	return len(infos), err
}

// BenchmarkStart measures what ten thousand outlets cost before anybody looks at them.
func BenchmarkStart(b *testing.B) {
	const outlets = 10_000
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		f, err := fleet.Start(b.Context(), fleet.Demo(outlets, 1, sample), fleet.Options{})
		if err != nil {
			b.Fatal(err)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(int64(after.Sys)-int64(before.Sys))/outlets, "bytes/outlet")
		if err := f.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
