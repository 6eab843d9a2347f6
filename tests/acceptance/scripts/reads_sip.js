// Tells a gateway what it read of the SIP request that the call came by.
function main(data) {
  const { sip } = data;
  const seen = [
    sip.method,
    sip.uri.slice(0, 12),
    sip.source.replace(/:[0-9]+$/, ''),
    sip.headers['P-ASSERTED-IDENTITY'],
    sip.headers.Subject,
    sip.headers['X-Keep'],
    sip.headers['X-Absent'],
  ];
  data.headers = [{ key: 'X-Seen', value: encodeURIComponent(JSON.stringify(seen)) }];
}
