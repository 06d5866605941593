package fleet

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
	"unicode/utf16"

	"backupmonitor/events"
	"backupmonitor/services/internal/fleet/fault"
	"backupmonitor/services/internal/fleet/smbserver"
)

// Where an outlet keeps its backups, as the settings have it unless they are changed.
const (
	DShare       = "d$"
	BackupFolder = "BackupFull"
)

// USBShares are the shares a USB drive may have, in the order in which the settings name them.
func USBShares() []string { return []string{"e$", "f$", "g$", "h$", "i$"} }

// Plan is what [New] makes an outlet from; the same plan gives the same outlet.
type Plan struct {
	Code   string // such as B0001
	Name   string // empty means one made up
	Preset Preset // empty means Good
	// Modes are those whose backups are as the preset says; empty means both. Presets of the whole outlet ignore it.
	Modes []events.Mode
	Seed  uint64
	// Now is the right time at which the outlet begins. Good backups go on arriving after it; a stale outlet's last
	// backup is five days older, and stays so.
	Now time.Time
}

// New makes the description of an outlet. Backups are made in the night (UTC), 0.8 to 4 GB each; fourteen are kept, on
// drive D and on one USB drive.
func New(plan Plan) Spec {
	if plan.Preset == "" {
		plan.Preset = Good
	}
	if len(plan.Modes) == 0 || plan.Preset.ofWholeOutlet() {
		plan.Modes = events.Modes()
	}
	if plan.Preset == SeveralUSB {
		plan.Modes = []events.Mode{events.IBStorage}
	}
	vary := rand.New(rand.NewPCG(plan.Seed, 0x0B0DE512))
	usb := USBShares()[vary.IntN(len(USBShares()))]
	if plan.Name == "" {
		plan.Name = placeName(vary)
	}
	shares := map[events.Mode]string{events.DDrive: DShare, events.IBStorage: usb}
	spec := Spec{
		Code: plan.Code, Name: plan.Name, Preset: plan.Preset,
		Truth: Truth{
			ClockOffset: time.Duration(vary.IntN(120)-60) * time.Second,
			Drives:      map[string]Drive{DShare: plan.drive(vary, events.DDrive), usb: plan.drive(vary, events.IBStorage)},
		},
		Expected: map[events.Mode]Expected{},
	}
	plan.wholeOutlet(&spec.Truth)
	for _, mode := range events.Modes() {
		spec.Expected[mode] = Expected{Cause: events.CauseOK, Share: shares[mode]}
		if slices.Contains(plan.Modes, mode) {
			plan.oneMode(&spec.Truth, shares[mode])
			spec.Expected[mode] = plan.expected(mode, shares[mode])
		}
	}
	return spec
}

func (plan Plan) expected(mode events.Mode, share string) Expected {
	cause := plan.Preset.cause(mode)
	switch {
	case !cause.Conclusive() && plan.Preset.ofWholeOutlet(), cause == events.CauseShareMissing, cause == events.CauseDriveMissing:
		share = ""
	case plan.Preset == SeveralUSB:
		share = severalUSBNewest
	}
	return Expected{Cause: cause, Share: share}
}

// drive is a good drive.
func (plan Plan) drive(vary *rand.Rand, mode events.Mode) Drive {
	const gigabyte = 1 << 30
	total := int64(256+256*vary.IntN(7)) * gigabyte
	return Drive{
		Total:   total,
		Free:    int64(float64(total) * (0.1 + 0.6*vary.Float64())),
		Folders: map[string]Folder{BackupFolder: {Source: plan.nightly(vary, mode)}},
	}
}

func (plan Plan) nightly(vary *rand.Rand, mode events.Mode) Nightly {
	const gigabyte = 1 << 30
	begin := 21*time.Hour + time.Duration(vary.IntN(60))*time.Minute
	if mode == events.IBStorage {
		begin += 90 * time.Minute
	}
	return Nightly{
		Prefix: "DB_" + plan.Code + "_", Suffix: ".bak",
		Begin: begin,
		Bytes: gigabyte * (87 + vary.Int64N(300)) / 100,
		Keep:  14,
		Seed:  vary.Uint64(),
	}
}

// wholeOutlet makes the truth of both modes what the preset says.
func (plan Plan) wholeOutlet(t *Truth) {
	const year = 365 * 24 * time.Hour
	switch plan.Preset {
	case Slow:
		t.Latency = 300 * time.Millisecond
	case ClockAhead:
		t.ClockOffset += year
	case ClockBehind:
		t.ClockOffset -= year
	case NoSystemTime:
		t.ClockUntold = true
		t.ClockOffset = 0
	case WrongPassword:
		t.Password = "changed-" + plan.Code
	case LockedOut:
		t.Refusal = smbserver.StatusAccountLockedOut
	case ExpiredAccount:
		t.Refusal = smbserver.StatusPasswordExpired
	case NotListening:
		t.Reach = Unreachable
	case NeverAnswers:
		t.Reach = Silent
	case Resets:
		t.Reach = Resetting
	default:
		t.Faults = plan.faults()
	}
}

// faults are what goes wrong on the wire, where the preset is about that.
func (plan Plan) faults() fault.List {
	switch plan.Preset {
	case BreaksOff:
		return fault.List{fault.To(smbserver.QueryDirectory, 0, fault.Reset())}
	case Drips:
		return fault.List{fault.Every(fault.Drip(time.Second))}
	case CutShort:
		return fault.List{fault.To(smbserver.QueryDirectory, 0, fault.Truncate(200))}
	case Missigns:
		return fault.List{fault.To(smbserver.QueryDirectory, 0, fault.Missign())}
	case TooManyGuests:
		return fault.List{fault.To(smbserver.SessionSetup, 2, fault.Refuse(smbserver.StatusRequestNotAccepted))}
	case WakingDisk:
		return fault.List{fault.To(smbserver.Create, 0, fault.Pending(200*time.Millisecond))}
	}
	return nil
}

// severalUSBNewest is the drive with the newest backup where there are several.
const severalUSBNewest = "g$"

// oneMode makes the drive of one mode what the preset says.
func (plan Plan) oneMode(t *Truth, share string) {
	drive := t.Drives[share]
	good := drive.Folders[BackupFolder].Source.(Nightly)
	folder := Folder{Source: good}
	path := BackupFolder
	switch plan.Preset {
	case DriveMissing:
		delete(t.Drives, share)
		return
	case SeveralUSB:
		plan.severalUSB(t, share, good)
		return
	case FolderMissing:
		drive.Folders = map[string]Folder{"Data": {}}
		t.Drives[share] = drive
		return
	case NoMedium:
		drive.NoMedium = true
		drive.Free, drive.Total = 0, 0
	case ShareDenied:
		drive.Refusal = smbserver.StatusAccessDenied
	case FolderDenied:
		folder.Refusal = smbserver.StatusAccessDenied
	case FolderInUse:
		folder.Refusal = smbserver.StatusSharingViolation
	case LetterCase:
		path = "backupFULL"
		folder.Source = each{good, func(f File) File { f.Name = strings.ToUpper(f.Name); return f }}
	default:
		folder.Source = plan.files(good)
	}
	drive.Folders = map[string]Folder{path: folder}
	t.Drives[share] = drive
}

// files is what the folder holds, where the preset is about files.
func (plan Plan) files(good Nightly) Source {
	switch plan.Preset {
	case Stale:
		good.Last = plan.Now.Add(-5 * 24 * time.Hour)
	case EmptyFolder:
		return Files(nil)
	case TooSmall:
		return each{good, func(f File) File { f.Size = 512; return f }}
	case InUse:
		return each{good, func(f File) File { f.Refusal = smbserver.StatusSharingViolation; return f }}
	case UnicodeNames:
		return each{good, func(f File) File {
			f.Name = "Sicherung Größe Ünïcødé 日本語 Ελλάδα 🗄 " + f.Name
			return f
		}}
	case LongNames:
		return each{good, longName}
	case FolderChanging:
		return both{good, growing{plan.Code}}
	case FutureFile:
		return relative(func(now time.Time) Files {
			ahead := now.Truncate(24 * time.Hour).Add(72 * time.Hour)
			name := fmt.Sprintf("DB_%s_%s.bak", plan.Code, ahead.Format("20060102"))
			return Files{{Name: name, Size: good.Bytes, Created: ahead, Modified: ahead.Add(5 * time.Minute)}}
		})
	case OtherFiles:
		return both{good, relative(plan.noBackups)}
	case ManyFiles:
		begin := plan.Now.Truncate(24*time.Hour).AddDate(-2, 0, 0)
		return both{Many{Count: 5000, Make: func(i int) File {
			at := begin.Add(time.Duration(i) * time.Hour)
			return File{Name: fmt.Sprintf("LOG_%s_%05d.trn", plan.Code, i), Size: 65536 + int64(i)*512, Created: at, Modified: at}
		}}, good}
	}
	return good
}

// longName makes a name of 255 characters, as SMB counts them: units of UTF-16; [MS-FSCC] 2.1.5.
func longName(f File) File {
	const most = 255
	scripts := []string{"ß", "Ж", "Ω", "ع", "ש", "क", "ไ", "中", "한", "🗄", "e\u0301"}
	room := most - len(utf16.Encode([]rune(f.Name)))
	var b strings.Builder
	for i := 0; room > 0; i++ {
		next := scripts[(int(f.Size/pageSize)+i)%len(scripts)]
		if units := len(utf16.Encode([]rune(next))); units <= room {
			room -= units
			b.WriteString(next)
		}
	}
	f.Name = b.String() + f.Name
	return f
}

// noBackups are files that are younger than the newest backup and are none, though some look it.
func (plan Plan) noBackups(now time.Time) Files {
	at := now.Add(-time.Minute).Truncate(time.Second)
	var files Files
	for i, name := range []string{"backup.log", "DB_" + plan.Code + ".bak.tmp", "bak", "DB_" + plan.Code + "_bak", "readme.txt"} {
		files = append(files, File{Name: name, Size: int64(i+1) << 20, Created: at, Modified: at})
	}
	return files
}

// severalUSB puts three drives in place of the one.
func (plan Plan) severalUSB(t *Truth, share string, good Nightly) {
	drive := t.Drives[share]
	delete(t.Drives, share)
	with := func(source Source) Drive {
		d := drive
		d.Folders = maps.Clone(drive.Folders)
		d.Folders[BackupFolder] = Folder{Source: source}
		return d
	}
	old := good
	old.Last = plan.Now.Add(-9 * 24 * time.Hour)
	t.Drives["e$"], t.Drives[severalUSBNewest], t.Drives["i$"] = with(old), with(good), with(Files(nil))
}
