package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"backupmonitor/services/internal/fleet"
)

const (
	testAdmin    = "admin"
	testPassword = "correct horse battery"
	// patience bounds every wait of these tests; nothing waits for it to pass.
	patience = 60 * time.Second
)

// settings is an environment for one program under test.
type settings map[string]string

// newSettings keeps everything of a program inside a directory of the test.
func newSettings(t *testing.T, more settings) settings {
	t.Helper()
	dir := t.TempDir()
	s := settings{
		"DATA_DIR": filepath.Join(dir, "data"), "LOG_DIR": filepath.Join(dir, "logs"), "HTTP_ADDR": "127.0.0.1:0",
		"ADMIN_USER_ID": testAdmin, "ADMIN_PASSWORD": testPassword, "SCAN_INTERVAL": "0", "TZ": "UTC",
		"PROBE_TIMEOUT": "5s", "DIAL_TIMEOUT": "2s", "PROBE_ATTEMPTS": "1",
	}
	maps.Copy(s, more)
	return s
}

func (s settings) environ() []string {
	var out []string
	for k, v := range s {
		out = append(out, k+"="+v)
	}
	return out
}

// outletsFile writes an outlets file and returns its path.
func outletsFile(t *testing.T, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "outlets.csv")
	text := "OutletCode,IPAddress,OutletName\n" + strings.Join(lines, "\n") + "\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// startFleet runs simulated outlets, and gives the settings to look at them.
func startFleet(t *testing.T, specs []fleet.Spec, more settings) (*fleet.Fleet, settings) {
	t.Helper()
	outlets, err := fleet.Start(t.Context(), specs, fleet.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := outlets.Close(); err != nil {
			t.Error(err)
		}
	})
	var lines []string
	for _, o := range outlets.Outlets() {
		lines = append(lines, o.Code()+","+o.Addr()+","+string(o.Preset()))
	}
	s := newSettings(t, more)
	s["USER"], s["PASS"] = outlets.Account()
	s["OUTLETS_FILE"] = outletsFile(t, lines...)
	return outlets, s
}

// command runs one command to its end, in this process.
func command(t *testing.T, s settings, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	args = append([]string{"--env-file", os.DevNull}, args...)
	code = run(ctx, args, strings.NewReader(stdin), &out, &errs, s.environ())
	return code, out.String(), errs.String()
}

// instanceUnderTest is a running `up`, in this process or as a child.
type instanceUnderTest struct {
	t     *testing.T
	base  string // URL up to the port
	token string
}

var pageURL = regexp.MustCompile(`(http://\S+)/backup-monitor`)

// awaitBanner reads the output of `up` until it names the page. The rest is
// read and kept, so that the program never blocks on it.
func awaitBanner(t *testing.T, out io.Reader) (base string, rest *syncBuffer) {
	t.Helper()
	rest = &syncBuffer{}
	found := make(chan string, 1)
	go func() {
		defer close(found)
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			rest.add(lines.Text())
			if m := pageURL.FindStringSubmatch(lines.Text()); m != nil {
				select {
				case found <- m[1]:
				default:
				}
			}
		}
	}()
	select {
	case base, ok := <-found:
		if ok {
			return base, rest
		}
	case <-time.After(patience):
	}
	t.Fatalf("`up` did not say where its page is:\n%s", rest)
	return "", nil
}

type syncBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *syncBuffer) add(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.b.WriteString(line + "\n")
}

// Write implements io.Writer.
func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

// String implements fmt.Stringer.
func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// startUp runs `up` in this process. stop ends it as Ctrl-C does and returns
// its exit code.
func startUp(t *testing.T, s settings, args ...string) (in *instanceUnderTest, stop func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	logs := &syncBuffer{}
	ended := make(chan int, 1)
	go func() {
		args := append([]string{"--env-file", os.DevNull, "up"}, args...)
		code := run(ctx, args, strings.NewReader(""), w, logs, s.environ())
		_ = w.Close()
		ended <- code
	}()
	var once sync.Once
	code := -1
	stop = func() int {
		once.Do(func() {
			cancel()
			select {
			case code = <-ended:
			case <-time.After(patience):
				t.Error("`up` did not end")
			}
		})
		return code
	}
	t.Cleanup(func() {
		stop()
		if t.Failed() {
			t.Logf("log of `up`:\n%s", logs)
		}
	})
	base, _ := awaitBanner(t, r)
	in = &instanceUnderTest{t: t, base: base}
	in.signIn()
	return in, stop
}

func (in *instanceUnderTest) signIn() {
	in.t.Helper()
	var answer struct {
		Token string `json:"token"`
	}
	in.call(http.MethodPost, "/api/v1/auth/login", map[string]string{"userId": testAdmin, "password": testPassword}, http.StatusOK, &answer)
	if answer.Token == "" {
		in.t.Fatal("signed in without a token")
	}
	in.token = answer.Token
}

// request sends one request; the caller closes the body.
func (in *instanceUnderTest) request(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var data io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		data = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, in.base+path, data)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if in.token != "" {
		req.Header.Set("Authorization", "Bearer "+in.token)
	}
	// A connection for each request: none is left over for goleak to find.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	return client.Do(req)
}

// call sends a request, checks its status, and reads the answer into out.
func (in *instanceUnderTest) call(method, path string, body any, status int, out any) {
	in.t.Helper()
	ctx, cancel := context.WithTimeout(in.t.Context(), patience)
	defer cancel()
	resp, err := in.request(ctx, method, path, body)
	if err != nil {
		in.t.Fatalf("%s %s: %v", method, path, err)
	}
	b, err := io.ReadAll(resp.Body)
	err = errors.Join(err, resp.Body.Close())
	if err != nil || resp.StatusCode != status {
		in.t.Fatalf("%s %s: status %d, want %d: %s %v", method, path, resp.StatusCode, status, b, err)
	}
	if out != nil {
		if err := json.Unmarshal(b, out); err != nil {
			in.t.Fatalf("%s %s: %v in %s", method, path, err, b)
		}
	}
}

// record is a row as the API gives it.
type record struct {
	OutletCode   string     `json:"outletCode"`
	Server       string     `json:"server"`
	Status       string     `json:"status"`
	Cause        string     `json:"cause"`
	Conclusive   bool       `json:"conclusive"`
	LastModified *time.Time `json:"lastModified"`
	File         string     `json:"file"`
	SizeBytes    *int64     `json:"sizeBytes"`
	DriveLetter  string     `json:"driveLetter"`
	ScanDate     string     `json:"scanDate"`
	ErrorDetails string     `json:"errorDetails"`
}

// rows are all rows of a mode's table: path is backup or ibstorage.
func (in *instanceUnderTest) rows(path, query string) []record {
	in.t.Helper()
	var answer struct {
		Data     []record `json:"data"`
		Advanced []record `json:"advancedDate"`
	}
	in.call(http.MethodGet, "/api/v1/"+path+"-stats"+query, nil, http.StatusOK, &answer)
	return append(answer.Data, answer.Advanced...)
}

// awaitRows is rows once there are n: a scan has ended before its last looks are
// in the tables.
func (in *instanceUnderTest) awaitRows(path string, n int) []record {
	in.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		rows := in.rows(path, "")
		if len(rows) == n {
			return rows
		}
		if time.Now().After(deadline) {
			in.t.Fatalf("%d rows, want %d: %+v", len(rows), n, rows)
		}
	}
}

// startScan asks for a scan and returns its id.
func (in *instanceUnderTest) startScan(body map[string]any) string {
	in.t.Helper()
	var answer struct {
		ScanID string `json:"scanId"`
	}
	in.call(http.MethodPost, "/api/v1/scans", body, http.StatusAccepted, &answer)
	return answer.ScanID
}

// follow reads a scan's stream until its end, or until enough looks are done,
// and returns the last message.
func (in *instanceUnderTest) follow(scanID string, enough int) map[string]any {
	in.t.Helper()
	ctx, cancel := context.WithTimeout(in.t.Context(), 4*patience)
	defer cancel()
	resp, err := in.request(ctx, http.MethodGet, "/api/v1/scans/"+scanID, nil)
	if err != nil {
		in.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	var seen []string
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data:")
		if !ok {
			continue
		}
		seen = append(seen, data)
		var m map[string]any
		if err := json.Unmarshal([]byte(data), &m); err != nil {
			in.t.Fatalf("%v in %q", err, data)
		}
		if m["type"] == "complete" {
			return m
		}
		if done, _ := m["completed"].(float64); enough > 0 && int(done) >= enough {
			return m
		}
	}
	in.t.Fatalf("the stream of scan %s (%s) ended early: %v; last: %v", scanID, resp.Status, lines.Err(), fmt.Sprint(seen[max(0, len(seen)-3):]))
	return nil
}
