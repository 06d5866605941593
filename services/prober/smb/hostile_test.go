package smb_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/fleet"
	"backupmonitor/services/internal/fleet/fault"
	"backupmonitor/services/internal/fleet/smbserver"
	"backupmonitor/services/prober/smb"
)

// TestEveryFaultAtEveryRequest walks through all faults at all requests: the
// look ends by its deadline, says what happened and at which step, has seen
// nothing, and leaves nothing behind.
func TestEveryFaultAtEveryRequest(t *testing.T) {
	t.Parallel()
	for _, h := range hostilities() {
		for _, q := range requests() {
			f := fault.To(q.command, q.nth, h.act)
			t.Run(f.String(), func(t *testing.T) {
				t.Parallel()
				within := patience
				if h.cause == events.CauseTimeout {
					within = 500 * time.Millisecond
				}
				o := faulty(t, f)
				r := look(t, within, dOnly(o.Addr()))[events.DDrive]
				e := lookError(r)
				if e == nil || e.Code != h.cause || e.Step != q.step || !strings.Contains(e.Detail, h.detail) {
					t.Errorf("%+v, want %s at %s with %q", e, h.cause, q.step, h.detail)
				}
				if signedIn := q.command > smbserver.SessionSetup; e != nil && strings.HasPrefix(e.Detail, "signed in, but ") != signedIn {
					t.Errorf("%q does not say how far it came", e.Detail)
				}
				if len(r.Steps) == 0 || r.Steps[len(r.Steps)-1].Name != q.step {
					t.Errorf("steps %+v do not end with %s", r.Steps, q.step)
				}
				checkNothingSeen(t, r)
				gone(t, o)
			})
		}
	}
}

// TestSignatures: after the sign-in no answer counts without its signature.
// Before it there is none; the answers to NEGOTIATE and to the first message
// of the sign-in go into the signing key of 3.1.1, and a change of them makes
// every later signature wrong. The answer that ends the sign-in could be
// changed, and says nothing but what [TestForgedGuest] and [TestFeignedSignIn]
// are about.
func TestSignatures(t *testing.T) {
	t.Parallel()
	for _, act := range []fault.Act{fault.Missign(), fault.Unsign()} {
		for _, q := range requests()[3:] {
			f := fault.To(q.command, q.nth, act)
			t.Run(f.String(), func(t *testing.T) {
				t.Parallel()
				o := faulty(t, f)
				r := look(t, patience, dOnly(o.Addr()))[events.DDrive]
				if e := lookError(r); e == nil || e.Code != events.CauseProtocolError || e.Step != q.step || !strings.Contains(e.Detail, "wrong signature") {
					t.Errorf("%+v", e)
				}
				checkNothingSeen(t, r)
				gone(t, o)
			})
		}
	}
	for _, q := range requests()[:2] {
		f := fault.To(q.command, q.nth, fault.Missign())
		t.Run(f.String(), func(t *testing.T) {
			t.Parallel()
			o := faulty(t, f)
			checkNothingSeen(t, look(t, patience, dOnly(o.Addr()))[events.DDrive])
			gone(t, o)
		})
	}
}

// TestRefusals: every status that an outlet may refuse with, where it does so.
func TestRefusals(t *testing.T) {
	t.Parallel()
	const signIn, share, folder, list = 2, 3, 4, 5 // of requests
	cases := []struct {
		at     int
		status smbserver.Status
		cause  events.Cause
		detail string
	}{
		{0, 0xC00000BB, events.CauseProtocolError, "the server speaks no SMB dialect that we speak"},
		{0, 0xC00000D0, events.CauseProtocolError, "the server takes no more connections while opening the SMB connection"},
		{1, 0xC000009A, events.CauseProtocolError, "the server is out of resources while signing in backupmonitor"},
		{signIn, 0xC000006D, events.CauseAuthFailed, "the server refused to sign in backupmonitor: wrong user name or password"},
		{signIn, 0xC0000071, events.CauseAuthFailed, "the server refused to sign in backupmonitor: the password has expired"},
		{signIn, 0xC0000224, events.CauseAuthFailed, "the server refused to sign in backupmonitor: the password must be changed first"},
		{signIn, 0xC0000234, events.CauseAuthFailed, "the server refused to sign in backupmonitor: the account is locked out"},
		{signIn, 0xC0000072, events.CauseAuthFailed, "the server refused to sign in backupmonitor: the account is disabled"},
		{signIn, 0xC0000022, events.CauseAccessDenied, "the server denied access while signing in backupmonitor"},
		{signIn, 0xC00000D0, events.CauseProtocolError, "the server takes no more connections while signing in backupmonitor"},
		{share, 0xC00000CC, events.CauseShareMissing, "signed in, but there is no share d$"},
		{share, 0xC0000022, events.CauseAccessDenied, "signed in, but the server denied backupmonitor access while connecting to the share d$"},
		{share, 0xC00000D0, events.CauseProtocolError, "signed in, but the server takes no more connections while connecting to the share d$"},
		{share, 0xC0000203, events.CauseProtocolError, "signed in, but the server ended the session while connecting to the share d$"},
		{share, 0xC0000257, events.CauseProtocolError, "signed in, but it lies elsewhere in a distributed file system, which is not followed while connecting to the share d$"},
		{folder, 0xC0000034, events.CauseFolderMissing, "signed in, but D: has no BackupFull folder"},
		{folder, 0xC000003A, events.CauseFolderMissing, "signed in, but D: has no BackupFull folder"},
		{folder, 0xC0000022, events.CauseAccessDenied, `signed in, but the server denied backupmonitor access while opening D:\BackupFull`},
		{folder, 0xC0000043, events.CauseProtocolError, `signed in, but another program keeps it to itself while opening D:\BackupFull`},
		{folder, 0xC0000013, events.CauseDriveMissing, `signed in, but there is no medium in the drive while opening D:\BackupFull`},
		{folder, 0xC00000A3, events.CauseProtocolError, `signed in, but the drive is not ready while opening D:\BackupFull`},
		{folder, 0xC0210000, events.CauseAccessDenied, `signed in, but the drive is locked by BitLocker while opening D:\BackupFull`},
		{folder, 0xC00000B5, events.CauseTimeout, `signed in, but the drive did not answer in time while opening D:\BackupFull`},
		{list, 0xC0000022, events.CauseAccessDenied, `signed in, but the server denied backupmonitor access while listing D:\BackupFull`},
		{list, 0xC00000C9, events.CauseProtocolError, `signed in, but the server withdrew the share while listing D:\BackupFull`},
		{list, 0xC0000185, events.CauseProtocolError, `signed in, but the drive reports a read error while listing D:\BackupFull`},
		{list, 0xC0001234, events.CauseProtocolError, `signed in, but the server answered 0xC0001234 while listing D:\BackupFull`},
	}
	for _, c := range cases {
		q := requests()[c.at]
		f := fault.To(q.command, q.nth, fault.Refuse(c.status))
		t.Run(f.String(), func(t *testing.T) {
			t.Parallel()
			o := faulty(t, f)
			e := lookError(look(t, patience, dOnly(o.Addr()))[events.DDrive])
			if e == nil || e.Code != c.cause || e.Step != q.step || e.Detail != c.detail {
				t.Fatalf("%+v, want %s at %s: %s", e, c.cause, q.step, c.detail)
			}
			// Of two statuses the library makes one error, and hides a third.
			if want := fmt.Sprintf("0x%08X", uint32(c.status)); e.NTStatus != want && c.cause != events.CauseFolderMissing {
				t.Errorf("status %q, want %s", e.NTStatus, want)
			}
		})
	}
}

// TestPending: an answer that says "wait" and then comes is an answer.
func TestPending(t *testing.T) {
	t.Parallel()
	for _, q := range requests()[4:] {
		f := fault.To(q.command, q.nth, fault.Pending(30*time.Millisecond))
		t.Run(f.String(), func(t *testing.T) {
			t.Parallel()
			r := look(t, patience, dOnly(faulty(t, f).Addr()))[events.DDrive]
			if v := judge(r); v.Cause != events.CauseOK {
				t.Errorf("%s: %s", v.Cause, v.Detail)
			}
		})
	}
}

// TestRepeated: an answer that comes twice was not asked for twice. Where the
// look had all it wanted by then, it is as good as any.
func TestRepeated(t *testing.T) {
	t.Parallel()
	for _, q := range requests() {
		f := fault.To(q.command, q.nth, fault.Repeat())
		t.Run(f.String(), func(t *testing.T) {
			t.Parallel()
			o := faulty(t, f)
			r := look(t, patience, dOnly(o.Addr()))[events.DDrive]
			v := judge(r)
			want, _ := o.Expect(events.DDrive)
			switch v.Cause {
			case events.CauseProtocolError:
				checkNothingSeen(t, r)
			case events.CauseOK:
				if !sameFile(*v.File, *want.File) {
					t.Errorf("%+v, want %+v", v.File, want.File)
				}
			default:
				t.Errorf("%s: %s", v.Cause, v.Detail)
			}
			gone(t, o)
		})
	}
}

// TestTooManySessions: who comes last is told so, and may come again later.
func TestTooManySessions(t *testing.T) {
	t.Parallel()
	o := faulty(t, fault.To(smbserver.Create, 1, fault.Silence()))
	if err := o.Change(func(truth *fleet.Truth) { truth.MaxSessions = 1 }); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan []smb.Result)
	go func() { first <- smb.Look(ctx, smb.Options{}, dOnly(o.Addr()), today(time.Now())) }()
	until(t, func() bool { return o.Stats().OpenSessions == 1 })
	e := lookError(look(t, patience, dOnly(o.Addr()))[events.DDrive])
	if e == nil || e.Code != events.CauseProtocolError || e.NTStatus != "0xC00000D0" || e.Step != smb.StepSignIn {
		t.Errorf("%+v", e)
	}
	cancel()
	<-first
	gone(t, o)
	if err := o.Change(func(truth *fleet.Truth) { truth.Faults = nil }); err != nil {
		t.Fatal(err)
	}
	if v := judge(look(t, patience, dOnly(o.Addr()))[events.DDrive]); v.Cause != events.CauseOK {
		t.Errorf("%s: %s", v.Cause, v.Detail)
	}
}

// TestFaultsBesideTheListing meets every fault at the question for the free
// space, which is asked while the listing comes: whatever was seen of that is
// right, or nothing was.
func TestFaultsBesideTheListing(t *testing.T) {
	t.Parallel()
	for _, h := range hostilities() {
		f := fault.To(smbserver.QueryInfo, 1, h.act)
		t.Run(f.String(), func(t *testing.T) {
			t.Parallel()
			o := faulty(t, f)
			r := look(t, time.Second, dOnly(o.Addr()))[events.DDrive]
			v := judge(r)
			want, _ := o.Expect(events.DDrive)
			switch v.Cause {
			case events.CauseTimeout, events.CauseProtocolError:
				checkNothingSeen(t, r)
			case events.CauseOK:
				if !sameFile(*v.File, *want.File) || r.Drives[0].FileCount != 14 {
					t.Errorf("%+v, want %+v", v.File, want.File)
				}
			default:
				t.Errorf("%s: %s", v.Cause, v.Detail)
			}
			gone(t, o)
		})
	}
}
