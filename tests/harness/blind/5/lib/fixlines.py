import re,sys,pathlib
for d in sys.argv[1:]:
    p=pathlib.Path(d)/'right.toml'; cur=None; out=[]
    for l in p.read_text().split('\n'):
        m=re.match(r'file = "(.*)"',l)
        if m: cur=(pathlib.Path(d)/m[1]).read_text().split('\n')
        m=re.match(r'line = @(.*)$',l)
        if m:
            n=[i+1 for i,x in enumerate(cur) if m[1] in x]
            assert n,(d,m[1]); l=f'line = {n[0]}'
        out.append(l)
    p.write_text('\n'.join(out))
