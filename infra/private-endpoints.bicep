// A private endpoint and a name in private DNS for everything that the functions call, and for the functions themselves.
param location string
param tags object
param token string
param virtualNetworkId string
param subnetId string
param hostAccountId string
param recordsAccountId string
param cosmosAccountId string
param vaultId string
param topicId string
param functionAppId string

var zones = [
  'privatelink.blob.${environment().suffixes.storage}'
  'privatelink.queue.${environment().suffixes.storage}'
  'privatelink.table.${environment().suffixes.storage}'
  'privatelink.documents.azure.com'
  'privatelink.vaultcore.azure.net'
  'privatelink.eventgrid.azure.net'
  'privatelink.azurewebsites.net'
]

var targets = [
  { name: 'host-blob', id: hostAccountId, group: 'blob', zone: 0 }
  { name: 'host-queue', id: hostAccountId, group: 'queue', zone: 1 }
  { name: 'host-table', id: hostAccountId, group: 'table', zone: 2 }
  { name: 'records-blob', id: recordsAccountId, group: 'blob', zone: 0 }
  { name: 'cosmos', id: cosmosAccountId, group: 'Sql', zone: 3 }
  { name: 'vault', id: vaultId, group: 'vault', zone: 4 }
  { name: 'topic', id: topicId, group: 'topic', zone: 5 }
  { name: 'functions', id: functionAppId, group: 'sites', zone: 6 }
]

resource dnsZones 'Microsoft.Network/privateDnsZones@2024-06-01' = [for zone in zones: {
  name: zone
  location: 'global'
  tags: tags
}]

resource dnsLinks 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [for (zone, index) in zones: {
  parent: dnsZones[index]
  name: 'vnet-${token}'
  location: 'global'
  tags: tags
  properties: {
    registrationEnabled: false
    virtualNetwork: {
      id: virtualNetworkId
    }
  }
}]

resource privateEndpoints 'Microsoft.Network/privateEndpoints@2024-05-01' = [for target in targets: {
  name: 'pe-${target.name}-${token}'
  location: location
  tags: tags
  properties: {
    subnet: {
      id: subnetId
    }
    privateLinkServiceConnections: [
      {
        name: target.name
        properties: {
          privateLinkServiceId: target.id
          groupIds: [target.group]
        }
      }
    ]
  }
}]

resource zoneGroups 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2024-05-01' = [for (target, index) in targets: {
  parent: privateEndpoints[index]
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [
      {
        name: target.name
        properties: {
          privateDnsZoneId: dnsZones[target.zone].id
        }
      }
    ]
  }
}]
