"""WSGI filter: makes a service slow or failing on demand, and keeps a journal.

While $OSRIG_FAULT_DIR/journal exists, every request is written there as a line
of JSON when it is answered: begin and end (seconds since 1970), service, method,
path with query, status, user agent, a hash of the token, and (not for keystone)
the first 4000 bytes of the body. A request whose real answer was withheld has
both: "status" as the client saw it, "real" as the service meant it. A request
that a rule delays has a line in $OSRIG_FAULT_DIR/held as soon as it arrives.

It reads $OSRIG_FAULT_DIR/<service>.json and <service>-*.json at every request
(missing: does nothing). A file holds one rule or a list of rules; the first rule that
matches a request is applied:

  method       "POST" (default: any)
  path         a regular expression searched in the path, e.g. "/servers$"
  body_has     a string that the request's body must contain
  agent_lacks  a string that the user agent must not contain, e.g. "tester"
  probability  0..1 (default 1)
  times        the rule applies to the first N matching requests only (counted
               per process from when the file was last changed)
  delay        seconds to wait before the request is carried out
  delay_after  seconds to wait after it is carried out, before the answer
  status       answer with this status instead (e.g. 503, 429, 500)
  body         the body of that answer (default: an OpenStack-like JSON fault)
  headers      more headers of that answer, e.g. {"Retry-After": "3"}
  after        true: carry the request out for real, then lose the answer and
               give `status` instead
  truncate     cut the real answer's body to so many bytes (with the real
               Content-Length: the client sees a broken body)
  answer_has   give `status` only if the real answer's body contains this string
  hide         leave servers out of a list: {"name_has": "pool-a", "younger": 45}
               are those of that name made in the last 45 s (default: of any age)

A rule with `answer_has` or `hide` looks at the real answer; it is how one client's
requests are meant where its requests look like everybody's.
"""
import calendar
import glob
import hashlib
import io
import json
import os
import random
import re
import time

FAULT_DIR = os.environ.get('OSRIG_FAULT_DIR', '/var/tmp/osrig/fault')


def path_of(environ):
    return environ.get('SCRIPT_NAME', '') + environ.get('PATH_INFO', '')


def read_body(environ):
    """The body, which stays there to be read."""
    length = int(environ.get('CONTENT_LENGTH') or 0)
    if not length:
        return b''
    if 'osrig.body' not in environ:
        environ['osrig.body'] = environ['wsgi.input'].read(length)
    body = environ['osrig.body']
    environ['wsgi.input'] = io.BytesIO(body)
    return body


class Fault(object):

    def __init__(self, app, service):
        self.app = app
        self.service = service
        self.journal = os.path.join(FAULT_DIR, 'journal')
        self.loaded = {}

    def load(self):
        first = os.path.join(FAULT_DIR, self.service)
        names = [first + '.json'] + sorted(glob.glob(first + '-*.json'))
        return [rule for name in names for rule in self.load_file(name)]

    def load_file(self, name):
        try:
            mtime = os.stat(name).st_mtime_ns
            if self.loaded.get(name, (None,))[0] != mtime:
                with open(name) as f:
                    rules = json.load(f)
                self.loaded[name] = (
                    mtime, rules if isinstance(rules, list) else [rules])
        except (OSError, ValueError):
            return []
        return self.loaded[name][1]

    def match(self, environ):
        path = path_of(environ)
        for rule in self.load():
            if rule.get('method', environ['REQUEST_METHOD']) != \
                    environ['REQUEST_METHOD']:
                continue
            if not re.search(rule.get('path', ''), path):
                continue
            if rule.get('body_has', '').encode() not in read_body(environ):
                continue
            if rule.get('agent_lacks') and rule['agent_lacks'] in environ.get(
                    'HTTP_USER_AGENT', ''):
                continue
            if random.random() >= rule.get('probability', 1):
                continue
            if 'times' in rule:
                if rule['times'] <= 0:
                    continue
                rule['times'] -= 1
            return rule
        return None

    def __call__(self, environ, start_response):
        if not os.path.exists(self.journal):
            return self.carry_out(environ, start_response)
        begin = time.time()
        if self.service != 'keystone' and environ['REQUEST_METHOD'] != 'GET':
            body = read_body(environ)[:4000].decode('utf-8', 'replace')
        else:
            body = ''
        seen = []

        def keep(status, headers, exc_info=None):
            seen[:] = [int(status.split()[0])]
            return start_response(status, headers, *(
                [exc_info] if exc_info else []))

        try:
            return self.carry_out(environ, keep)
        finally:
            token = environ.get('HTTP_X_AUTH_TOKEN', '')
            query = environ.get('QUERY_STRING', '')
            line = json.dumps({
                'begin': begin, 'end': time.time(), 'service': self.service,
                'method': environ['REQUEST_METHOD'],
                'path': path_of(environ) + ('?' + query if query else ''),
                'status': seen[0] if seen else None,
                'real': environ.get('osrig.real'),
                'agent': environ.get('HTTP_USER_AGENT', ''),
                'token': hashlib.sha256(token.encode()).hexdigest()[:12],
                'body': body})
            with open(self.journal, 'a') as f:
                f.write(line + '\n')

    def carry_out(self, environ, start_response):
        rule = self.match(environ)
        if rule is None:
            return self.app(environ, start_response)
        if rule.get('delay'):
            if os.path.exists(self.journal):
                body = read_body(environ)[:4000].decode('utf-8', 'replace')
                line = json.dumps({
                    'begin': time.time(), 'service': self.service,
                    'method': environ['REQUEST_METHOD'],
                    'path': path_of(environ), 'body': body})
                with open(os.path.join(FAULT_DIR, 'held'), 'a') as f:
                    f.write(line + '\n')
            time.sleep(rule['delay'])
        status = rule.get('status')
        if 'answer_has' in rule or 'hide' in rule:
            return self.look_at_answer(rule, environ, start_response)
        if status is None and not rule.get('delay_after') \
                and 'truncate' not in rule:
            return self.app(environ, start_response)
        if status is None or rule.get('after'):
            got = []

            def keep(s, h, exc_info=None):
                got[:] = [s, h]
                return lambda data: None

            result = self.app(environ, keep)
            body = b''.join(result)
            environ['osrig.real'] = int(got[0].split()[0])
            if hasattr(result, 'close'):
                result.close()
            if rule.get('delay_after'):
                time.sleep(rule['delay_after'])
            if status is None:
                start_response(got[0], got[1])
                return [body[:rule.get('truncate', len(body))]]
        body = rule.get('body')
        if body is None:
            body = json.dumps({'osrigFault': {
                'code': status, 'message': 'Injected by the test rig.'}})
        body = body.encode()
        headers = {'Content-Type': 'application/json',
                   'Content-Length': str(len(body))}
        headers.update(rule.get('headers', {}))
        start_response('%d Injected' % status, list(headers.items()))
        return [body]

    def look_at_answer(self, rule, environ, start_response):
        got = []

        def keep(s, h, exc_info=None):
            got[:] = [s, h]
            return lambda data: None

        # A compressed body could not be read.
        environ.pop('HTTP_ACCEPT_ENCODING', None)
        result = self.app(environ, keep)
        body = b''.join(result)
        if hasattr(result, 'close'):
            result.close()
        status, headers = got
        if 'answer_has' in rule and rule['answer_has'].encode() in body:
            environ['osrig.real'] = int(status.split()[0])
            status = '%d Injected' % rule['status']
            body = json.dumps({'osrigFault': {
                'code': rule['status'],
                'message': 'Injected by the test rig.'}}).encode()
        elif 'hide' in rule and status.startswith('200'):
            body = hidden(rule['hide'], body)
        headers = [h for h in headers if h[0].lower() != 'content-length']
        headers.append(('Content-Length', str(len(body))))
        start_response(status, headers)
        return [body]


def hidden(rule, body):
    """The list without the servers that the rule means."""
    answer = json.loads(body)
    now = time.time()

    def is_meant(server):
        made = calendar.timegm(time.strptime(
            server['created'], '%Y-%m-%dT%H:%M:%SZ'))
        return rule.get('name_has', '') in server['name'] and \
            now - made < rule.get('younger', 1 << 40)

    if 'servers' in answer:
        answer['servers'] = [s for s in answer['servers'] if not is_meant(s)]
    return json.dumps(answer).encode()


def filter_factory(global_conf, service='any', **local_conf):
    return lambda app: Fault(app, service)
