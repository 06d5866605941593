package gateway_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Every endpoint that reads a body.
func bodyPaths() []string {
	return []string{"/auth/login", "/scans", "/backup-status/sync", "/ibstorage-status/sync"}
}

// A body that stalls is told so, and not taken for a client that left.
func TestABodyThatStalls(t *testing.T) {
	t.Parallel()
	e := start(t, func(s *setup) { s.cfg.BodyTimeout = time.Second })
	var all []stalled
	for _, path := range bodyPaths() {
		for _, sent := range []string{
			"Content-Length: 1000\r\n\r\n",
			"Content-Length: 1000\r\n\r\n{",
			"Content-Length: 1000\r\n\r\n{}", // a value, and not the end
			"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
			"Transfer-Encoding: chunked\r\n\r\n10\r\n{", // half a chunk
		} {
			all = append(all, e.stall(t, path, sent))
		}
	}
	for _, s := range all {
		res, body := s.answer(t) //nolint:bodyclose // answer closes it
		if res.StatusCode != http.StatusRequestTimeout || !res.Close {
			t.Errorf("%s, %q: %d, close %v: %s", s.r.URL.Path, s.sent, res.StatusCode, res.Close, body)
			continue
		}
		e.validate(t, s.r, res, body)
		var f failure
		if err := json.Unmarshal(body, &f); err != nil || f.Status != "Error" || !strings.Contains(f.Message, "did not come within 1s") {
			t.Errorf("%+v, %v", f, err)
		}
	}
	if strings.Contains(e.logs.String(), `"level":"ERROR"`) {
		t.Errorf("a client that stalls is an error of ours: %s", e.logs)
	}
}

// A client that says it will send no more, before its body is whole, has left:
// it gets no answer, least of all one of success.
func TestABodyThatBreaksOff(t *testing.T) {
	t.Parallel()
	e := start(t)
	s := e.stall(t, "/auth/login", "Content-Length: 1000\r\n\r\n{")
	if err := s.conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if all, err := io.ReadAll(s.conn); err != nil || len(all) > 0 {
		t.Errorf("%v, %s", err, all)
	}
}

// stalled is a request of which no more comes.
type stalled struct {
	r    *http.Request
	conn *net.TCPConn
	sent string
}

// stall sends a request's head, whose end is in sent with a part of the body.
func (e *env) stall(t *testing.T, path, sent string) stalled {
	t.Helper()
	r := e.request(t.Context(), t, call{method: http.MethodPost, path: path})
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "tcp", r.URL.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := conn.SetDeadline(time.Now().Add(limit)); err != nil {
		t.Fatal(err)
	}
	head := "POST " + r.URL.Path + " HTTP/1.1\r\nHost: " + r.URL.Host + "\r\nContent-Type: application/json\r\nAuthorization: Bearer " + e.admin + "\r\n"
	if _, err := io.WriteString(conn, head+sent); err != nil {
		t.Fatal(err)
	}
	return stalled{r, conn.(*net.TCPConn), sent}
}

func (s stalled) answer(t *testing.T) (*http.Response, []byte) {
	t.Helper()
	res, err := http.ReadResponse(bufio.NewReader(s.conn), s.r)
	if err != nil {
		t.Fatal(err)
	}
	defer closeBody(t, res)
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, body
}

func TestABodyThatIsTooLarge(t *testing.T) {
	t.Parallel()
	e := start(t)
	for _, path := range bodyPaths() {
		most := 1 << 20
		if path == "/auth/login" { // everybody may send one
			most = 4 << 10
		}
		for _, body := range []string{`{"outlets":["` + strings.Repeat("x", most) + `"]}`, `{}` + strings.Repeat(" ", most)} {
			f := get[failure](t, e, http.StatusRequestEntityTooLarge, call{method: http.MethodPost, path: path, token: e.admin, body: body})
			if f.Status != "Error" || !strings.Contains(f.Message, fmt.Sprint(most, " bytes")) {
				t.Errorf("%s: %+v", path, f)
			}
		}
	}
}

// Bodies that name no outlets are small, and of large ones a caller has some read
// at a time: memory holds them.
func TestLargeBodiesAreFew(t *testing.T) {
	t.Parallel()
	e := start(t)
	long := `{"x":"` + strings.Repeat("x", 5<<10) + `"}`
	get[failure](t, e, http.StatusRequestEntityTooLarge, call{method: "PUT", path: "/auth/password", token: e.support, body: long})
	for _, c := range [][2]string{{"POST", "/users"}, {"PUT", "/outlets/S1"}, {"POST", "/policy/preview"}, {"PUT", "/scheduler/config"}} {
		body := `{"x":"` + strings.Repeat("x", 64<<10) + `"}`
		get[failure](t, e, http.StatusRequestEntityTooLarge, e.as(c[0], c[1], body))
	}
	upload := call{method: "POST", path: "/outlets/import", token: e.admin, body: "OutletCode,IPAddress\nS1,10.0.0.1\n"}
	var held []held
	for range 8 {
		held = append(held, e.hold(t, upload, "text/csv"))
	}
	for _, c := range []call{e.as("POST", "/scans", `{"scan_date":"1999-01-01"}`), e.as("POST", "/backup-status/sync", `{"outlets":["nobody"]}`)} {
		eventually(t, c.path+" waits for those that are being read", func() bool {
			status, h, _ := e.do(t, c)
			return status == http.StatusTooManyRequests && h.Get("Retry-After") != ""
		})
	}
	get[struct{}](t, e, http.StatusOK, e.as("GET", "/users", ""))
	if status, body := held[0].finish(t); status != http.StatusOK {
		t.Errorf("%d %s", status, body)
	}
	get[struct{}](t, e, http.StatusAccepted, e.as("POST", "/scans", `{}`))
}
