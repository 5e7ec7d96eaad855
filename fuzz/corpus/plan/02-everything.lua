scenario 'one'
seeds(50)
duration '2m'
server 's1' { delay = '20ms', addresses = 2, port = 5000 }
router 'home' { nat = { 'home', mapping = 'APDM', idle = '60s' }, delay = '12ms', loss = '1%', up = { loss = '0.5%' } }
router 'fw' { firewall = 'stateful', behind = 'home', inside = 'wide' }
client 'alice' { behind = { 'fw', { 'internet', delay = '3ms' } }, delay = '1ms' }
at '2s' { link('alice', { loss = '5%', way = 'up', interface = 'internet' }), down 'home' }
at '1s' { classify 'alice' }
expect { within = '40s', after = '1s', share = '98%', classified('alice', { mapping = 'apdm', step = -2 }) }
expect { never, classified 'alice' }
scenario 'two'
