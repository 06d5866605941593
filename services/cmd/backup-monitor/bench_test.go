//go:build e2e

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloudsoda/go-smb2"

	"backupmonitor/events"
	"backupmonitor/services/cmd/backup-monitor/instance"
	"backupmonitor/services/internal/fleet"
	"backupmonitor/services/internal/sambatest"
	"backupmonitor/services/internal/scan"

	"github.com/nats-io/nats.go/jetstream"
)

// BenchmarkPipelineBesideBareLoop is what a scan costs beside the least that
// it could cost: one mode, the same 1000 outlets, the same concurrency,
// dialling included, in alternating pairs. Its figure is pipeline/bare, the
// median of the pairs.
//
// The figure that counts is that of a real Samba at the end of a 20 ms line,
// where the bare loop does what it does with real outlets, between 150 and 200
// a second. Without the line, outlets and scanner share the processor, and
// every microsecond of the pipeline's own stands in the figure.
func BenchmarkPipelineBesideBareLoop(b *testing.B) {
	const outlets, line = 1000, 20 * time.Millisecond
	b.Run("samba/line=20ms", func(b *testing.B) {
		o := sambaOutlets(b, outlets, 14)
		o.addresses = startLine(b, o.addresses, line)
		benchPairs(b, o)
	})
	b.Run("simulated/line=20ms", func(b *testing.B) { benchPairs(b, distantOutlets(b, outlets, line)) })
	for _, files := range []int{14, 300} {
		b.Run(fmt.Sprintf("samba/line=0/files=%d", files), func(b *testing.B) { benchPairs(b, sambaOutlets(b, outlets, files)) })
	}
}

// benchOutlets are outlets to scan: where they are and who may sign in.
type benchOutlets struct {
	addresses      []string
	user, password string
}

// sambaOutlets are at 1000 addresses of one real Samba.
func sambaOutlets(b *testing.B, outlets, files int) benchOutlets {
	b.Helper()
	addresses := make([]string, outlets)
	for i := range addresses {
		addresses[i] = fmt.Sprintf("127.1.%d.%d", i/200, 1+i%200)
	}
	samba := sambatest.Start(b, sambatest.Config{Addresses: addresses, Shares: []string{"d$"}})
	now := time.Now()
	for i := range addresses {
		for n := range files {
			name := fmt.Sprintf("DB_S%04d_%03d.bak", i, n)
			sambatest.Write(b, filepath.Join(samba.Dir(b, i, "d$"), "BackupFull", name), 1<<20, now.Add(-time.Duration(2+24*n)*time.Hour))
		}
		addresses[i] = samba.Addr(i)
	}
	return benchOutlets{addresses: addresses, user: samba.User, password: samba.Password}
}

// distantOutlets answer after the time that a line takes.
func distantOutlets(b *testing.B, outlets int, line time.Duration) benchOutlets {
	b.Helper()
	specs := make([]fleet.Spec, outlets)
	for i := range specs {
		specs[i] = fleet.New(fleet.Plan{Code: fmt.Sprintf("S%04d", i), Preset: fleet.Good, Seed: uint64(i), Now: time.Now()})
		specs[i].Truth.Latency = line
	}
	f, err := fleet.Start(b.Context(), specs, fleet.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = f.Close() })
	o := benchOutlets{addresses: make([]string, outlets)}
	for i, x := range f.Outlets() {
		o.addresses[i] = x.Addr()
	}
	o.user, o.password = f.Account()
	return o
}

func benchPairs(b *testing.B, o benchOutlets) {
	b.Helper()
	const concurrency, pairs = 32, 3
	lines := []string{"OutletCode,IPAddress,OutletName"}
	for i, address := range o.addresses {
		lines = append(lines, fmt.Sprintf("S%04d,%s,", i, address))
	}
	p := startBenchPipeline(b, settings{
		"USER": o.user, "PASS": o.password, "PROBE_CONCURRENCY": fmt.Sprint(concurrency), "PROBE_TIMEOUT": "60s",
		"OUTLETS_FILE": writeLines(b, lines),
	})
	bare := func() time.Duration { return bareLoop(b, o, concurrency) }
	pipeline := func() time.Duration { return p.scan(b, len(o.addresses)) }
	bare() // both once unmeasured: caches are warm
	pipeline()
	for b.Loop() {
		var ratios, bares, pipelines []float64
		for pair := range pairs {
			var x, y time.Duration
			if pair%2 == 0 {
				x, y = bare(), pipeline()
			} else {
				y, x = pipeline(), bare()
			}
			b.Logf("pair %d: bare %.2fs, pipeline %.2fs, ratio %.3f", pair, x.Seconds(), y.Seconds(), y.Seconds()/x.Seconds())
			bares, pipelines, ratios = append(bares, x.Seconds()), append(pipelines, y.Seconds()), append(ratios, y.Seconds()/x.Seconds())
		}
		b.ReportMetric(median(bares), "bare-s")
		b.ReportMetric(median(pipelines), "pipeline-s")
		b.ReportMetric(median(ratios), "pipeline/bare")
		b.ReportMetric(fsyncMillis(b), "fsync-ms")
	}
}

// bareLoop lists the folder of every outlet and does nothing else.
func bareLoop(b *testing.B, o benchOutlets, concurrency int) time.Duration {
	b.Helper()
	began := time.Now()
	next := make(chan int)
	var workers sync.WaitGroup
	for range concurrency {
		workers.Go(func() {
			for i := range next {
				if err := bareLook(b.Context(), o.addresses[i], o.user, o.password); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for i := range o.addresses {
		next <- i
	}
	close(next)
	workers.Wait()
	return time.Since(began)
}

func bareLook(ctx context.Context, addr, user, password string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	s, err := (&smb2.Dialer{
		Negotiator: smb2.Negotiator{RequireMessageSigning: true},
		Initiator:  &smb2.NTLMInitiator{User: user, Password: password},
	}).DialConn(ctx, conn, addr)
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	share, err := s.WithContext(ctx).Mount(`\\` + host + `\d$`)
	if err == nil {
		_, err = share.WithContext(ctx).ReadDir("BackupFull")
	}
	return errors.Join(err, conn.Close())
}

// BenchmarkFleet is time and peak memory of the program alone, for 1,000 and
// 10,000 simulated outlets in both modes.
func BenchmarkFleet(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		b.Run(fmt.Sprintf("outlets=%d", n), func(b *testing.B) {
			specs := make([]fleet.Spec, n)
			for i := range specs {
				specs[i] = fleet.New(fleet.Plan{Code: fmt.Sprintf("B%05d", i), Preset: fleet.Good, Seed: uint64(i), Now: time.Now()})
			}
			outlets, err := fleet.Start(b.Context(), specs, fleet.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = outlets.Close() }()
			lines := []string{"OutletCode,IPAddress,OutletName"}
			for _, o := range outlets.Outlets() {
				lines = append(lines, o.Code()+","+o.Addr()+",")
			}
			user, password := outlets.Account()
			p := startBenchPipeline(b, settings{"USER": user, "PASS": password, "OUTLETS_FILE": writeLines(b, lines)})
			for b.Loop() {
				took := p.scan(b, 2*n, events.DDrive, events.IBStorage)
				b.ReportMetric(float64(n)/took.Seconds(), "outlets/s")
				b.ReportMetric(p.peakMiB(b), "peak-MiB")
			}
		})
	}
}

// benchPipeline is the program in a process of its own, and a way to its log.
type benchPipeline struct {
	cmd  *exec.Cmd
	base string // URL up to the port
	log  *events.Log
}

func startBenchPipeline(b *testing.B, more settings) *benchPipeline {
	b.Helper()
	dir := b.TempDir()
	s := settings{
		"DATA_DIR": filepath.Join(dir, "data"), "LOG_DIR": filepath.Join(dir, "logs"), "HTTP_ADDR": "127.0.0.1:0", "SCAN_INTERVAL": "0",
		"ADMIN_PASSWORD": testPassword, "TZ": "UTC",
	}
	maps.Copy(s, more)
	cmd := exec.Command(binary(b), "--env-file", os.DevNull, "up")
	cmd.Env = s.environ()
	logs := &syncBuffer{}
	cmd.Stderr = logs
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		b.Fatal(err)
	}
	lines, base := bufio.NewScanner(out), ""
	for lines.Scan() && !strings.Contains(lines.Text(), "Ctrl-C") {
		if m := pageURL.FindStringSubmatch(lines.Text()); m != nil {
			base = m[1]
		}
	}
	b.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			b.Errorf("%v\n%s", err, logs)
		}
	})
	nc, err := instance.Find(s["DATA_DIR"], "bench")
	if err != nil {
		b.Fatalf("%v\n%s", err, logs)
	}
	b.Cleanup(func() { _ = closeConn(nc) })
	js, err := jetstream.New(nc)
	if err != nil {
		b.Fatal(err)
	}
	return &benchPipeline{cmd: cmd, base: base, log: events.NewLog(js, "bench")}
}

// scan measures from the request until the log holds the scan's end, and
// checks that every look succeeded.
func (p *benchPipeline) scan(b *testing.B, looks int, modes ...events.Mode) time.Duration {
	b.Helper()
	if len(modes) == 0 {
		modes = []events.Mode{events.DDrive}
	}
	began := time.Now()
	r := events.ScanRequested{
		ScanID: scan.NewID(began), ScanDate: events.DateOf(began, time.UTC), Modes: modes, Trigger: events.TriggerCLI,
		RequestedAt: began.UTC(), Deadline: began.Add(time.Hour).UTC(),
	}
	if _, err := scan.Request(b.Context(), p.log, time.UTC, r); err != nil {
		b.Fatal(err)
	}
	err := scan.Follow(b.Context(), p.log, r.ScanID, func(u scan.Update) error {
		if u.Completed == nil {
			return nil
		}
		if n := scan.Sum(u.Completed.Counts); n.Successful != looks {
			b.Errorf("%d of %d looks were successful", n.Successful, looks)
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return time.Since(began)
}

// peakMiB is the most memory the process has had resident.
// Source: proc(5), /proc/pid/status, VmHWM.
func (p *benchPipeline) peakMiB(b *testing.B) float64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		b.Skipf("peak memory is known on Linux alone: %v", err)
	}
	for line := range strings.Lines(string(status)) {
		if v, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			var kib float64
			if _, err := fmt.Sscanf(v, "%f kB", &kib); err != nil {
				b.Fatal(err)
			}
			return kib / 1024
		}
	}
	b.Fatal("no VmHWM")
	return 0
}

// fsyncMillis is the median cost of making one small write durable here: the
// pipeline does it for every command and event, the bare loop never.
func fsyncMillis(b *testing.B) float64 {
	b.Helper()
	f, err := os.Create(filepath.Join(b.TempDir(), "fsync"))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var took []float64
	for range 101 {
		began := time.Now()
		_, err := f.Write(make([]byte, 512))
		if err := errors.Join(err, f.Sync()); err != nil {
			b.Fatal(err)
		}
		took = append(took, float64(time.Since(began).Microseconds())/1000)
	}
	return median(took)
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	return s[len(s)/2]
}

func writeLines(b *testing.B, lines []string) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "outlets.csv")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	return path
}
