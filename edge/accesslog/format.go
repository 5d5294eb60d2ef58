package accesslog

import (
	"strconv"
	"time"

	"github.com/weirproxy/weir/edge/exchange"
)

func (l *Log) appendJSON(b []byte, r *exchange.Request) []byte {
	rec := &r.Record
	b = append(b, `{"time":"`...)
	b = appendStamp(b, rec.Start.UTC(), 'T')
	b = append(b, `Z","level":"`...)
	b = append(b, level(rec)...)
	b = append(b, `","msg":"request","id":"`...)
	b = append(b, rec.ID()...)
	b = escapeJSON(append(b, `","site":"`...), rec.Site)
	b = escapeJSON(append(b, `","route":"`...), rec.Route)
	b = appendText(append(b, `","host":"`...), r.Host, escapeJSON)
	b = appendText(append(b, `","method":"`...), r.Method, escapeJSON)
	b = l.appendURL(append(b, `","path":"`...), r.Target, escapeJSON)
	b = append(append(b, `","proto":"`...), r.Proto.String()...)
	b = strconv.AppendInt(append(b, `","status":`...), int64(rec.Status), 10)
	b = strconv.AppendInt(append(b, `,"bytes":`...), rec.Sent, 10)
	b = strconv.AppendInt(append(b, `,"received":`...), rec.Received, 10)
	b = appendSeconds(append(b, `,"dur":`...), rec.Took)
	b = l.appendClient(append(b, `,"client":"`...), r, "")
	b = l.appendUA(append(b, `","ua":"`...), r, "", escapeJSON)
	b = l.appendReferer(append(b, `","referer":"`...), r, "", escapeJSON)
	b = appendUpstream(append(b, '"'), rec)
	if rec.Err != nil {
		b = append(append(b, `,"fault":"`...), rec.Fault.String()...)
		b = appendText(append(b, `","err":"`...), rec.Err.Error(), escapeJSON)
		b = append(b, '"')
	}
	return append(b, "}\n"...)
}

// appendUpstream appends the members about upstreams, the cache and plugins, where they
// were asked, or answered.
func appendUpstream(b []byte, rec *exchange.Record) []byte {
	if rec.Attempts > 0 || rec.Upstream != "" {
		b = appendText(append(b, `,"upstream":"`...), rec.Upstream, escapeJSON)
		b = strconv.AppendInt(append(b, `","attempts":`...), int64(rec.Attempts), 10)
		b = appendSeconds(append(b, `,"connect":`...), rec.Connect)
		b = appendSeconds(append(b, `,"waited":`...), rec.Waited)
	}
	if rec.Cache != "" {
		b = append(appendText(append(b, `,"cache":"`...), rec.Cache, escapeJSON), '"')
	}
	if rec.Plugin != "" {
		b = append(appendText(append(b, `,"plugin":"`...), rec.Plugin, escapeJSON), '"')
	}
	if rec.Details != "" {
		b = append(appendText(append(b, `,"details":"`...), rec.Details, escapeJSON), '"')
	}
	return b
}

// level ranks an exchange: ours or an upstream's failure, trouble after the head
// was sent, all the rest. What clients do wrong is no trouble of the server's.
func level(rec *exchange.Record) string {
	switch {
	case rec.Status >= 500:
		return "ERROR"
	case rec.Err != nil && rec.Fault != exchange.Client && rec.Status != 499:
		return "WARN"
	}
	return "INFO"
}

func (l *Log) appendCLF(b []byte, r *exchange.Request) []byte {
	return append(l.appendCommon(b, r), '\n')
}

func (l *Log) appendCombined(b []byte, r *exchange.Request) []byte {
	b = append(l.appendCommon(b, r), ` "`...)
	b = l.appendReferer(b, r, "-", escapeCLF)
	b = append(b, `" "`...)
	b = l.appendUA(b, r, "-", escapeCLF)
	return append(b, "\"\n"...)
}

func (l *Log) appendCommon(b []byte, r *exchange.Request) []byte {
	b = l.appendClient(b, r, "-")
	b = append(b, " - - ["...)
	b = appendCLFTime(b, r.Record.Start)
	b = append(b, `] "`...)
	if r.Method == "" && r.Target == "" { // what came was no request
		b = append(b, '-')
	} else {
		b = appendText(b, r.Method, escapeCLF)
		b = l.appendURL(append(b, ' '), r.Target, escapeCLF)
		b = append(append(b, ' '), r.Proto.String()...)
	}
	b = strconv.AppendInt(append(b, `" `...), int64(r.Record.Status), 10)
	if b = append(b, ' '); r.Record.Sent == 0 {
		return append(b, '-')
	}
	return strconv.AppendInt(b, r.Record.Sent, 10)
}

func appendText(b []byte, s string, escape escaper) []byte {
	s, clipped := clip(s, maxText)
	if b = escape(b, s); clipped {
		b = append(b, "..."...)
	}
	return b
}

func (l *Log) appendUA(b []byte, r *exchange.Request, none string, escape escaper) []byte {
	switch v, ok := r.Header.Lookup("user-agent"); {
	case !ok:
		return append(b, none...)
	case l.noUA:
		return append(b, redacted...)
	default:
		return appendText(b, v, escape)
	}
}

func (l *Log) appendReferer(b []byte, r *exchange.Request, none string, escape escaper) []byte {
	switch v, ok := r.Header.Lookup("referer"); {
	case !ok:
		return append(b, none...)
	case l.noRef:
		return append(b, redacted...)
	default:
		return l.appendURL(b, v, escape)
	}
}

// appendClient appends the client's address, or none for a unix socket.
func (l *Log) appendClient(b []byte, r *exchange.Request, none string) []byte {
	a := r.Client.Addr().Unmap().WithZone("")
	if !a.IsValid() {
		return append(b, none...)
	}
	if l.mask {
		bits := 48
		if a.Is4() {
			bits = 24
		}
		if network, err := a.Prefix(bits); err == nil {
			a = network.Addr()
		}
	}
	return a.AppendTo(b)
}

// appendSeconds appends d in seconds, to the microsecond.
func appendSeconds(b []byte, d time.Duration) []byte {
	us := max(d.Microseconds(), 0)
	b = strconv.AppendInt(b, us/1e6, 10)
	return appendDigits(append(b, '.'), int(us%1e6), 6)
}

// appendStamp appends 2006-01-02 15:04:05.000, with separator in the middle.
func appendStamp(b []byte, t time.Time, separator byte) []byte {
	year, month, day := t.Date()
	b = appendDigits(b, year, 4)
	b = appendDigits(append(b, '-'), int(month), 2)
	b = appendDigits(append(b, '-'), day, 2)
	return appendClock(append(b, separator), t)
}

func appendClock(b []byte, t time.Time) []byte {
	b = appendTimeOfDay(b, t)
	return appendDigits(append(b, '.'), t.Nanosecond()/1e6, 3)
}

func appendTimeOfDay(b []byte, t time.Time) []byte {
	hour, minute, second := t.Clock()
	b = appendDigits(b, hour, 2)
	b = appendDigits(append(b, ':'), minute, 2)
	return appendDigits(append(b, ':'), second, 2)
}

// appendCLFTime appends 02/Jan/2006:15:04:05 -0700.
func appendCLFTime(b []byte, t time.Time) []byte {
	const months = "JanFebMarAprMayJunJulAugSepOctNovDec"
	year, month, day := t.Date()
	b = appendDigits(b, day, 2)
	b = append(append(b, '/'), months[3*(month-1):3*month]...)
	b = appendDigits(append(b, '/'), year, 4)
	b = appendTimeOfDay(append(b, ':'), t)
	_, offset := t.Zone()
	sign := byte('+')
	if offset < 0 {
		sign, offset = '-', -offset
	}
	b = appendDigits(append(b, ' ', sign), offset/3600, 2)
	return appendDigits(b, offset/60%60, 2)
}

// appendDigits appends 0 ≤ n < 10^width with that many digits.
func appendDigits(b []byte, n, width int) []byte {
	var digits [6]byte
	for i := width - 1; i >= 0; i-- {
		digits[i] = byte('0' + n%10)
		n /= 10
	}
	return append(b, digits[:width]...)
}
